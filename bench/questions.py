"""What pages ask of a ledger: one line each, so that another page's read is one line more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from engine.rollups import failures, latency, slowest
from engine.rollups.grid import Window, charted_tier, window_before, window_until
from engine.rollups.histogram import TOLD_SHARES, percentiles_us
from engine.rollups.selection import Filter
from engine.rollups.series import Look, looking
from engine.slo import overview
from engine.slo.assessment import assess
from engine.slo.burn import BURN_WINDOWS, burns
from engine.slo.objectives import OBJECTIVES, WINDOWS

# What a page may be asked to look back.
LENGTHS: Final = {
    "5 min": timedelta(minutes=5),
    "1 h": timedelta(hours=1),
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
    "90 d": timedelta(days=90),
}
_ANY: Final = Filter()
# As many as the latency page shows.
_SLOWEST: Final = 15

Ask = Callable[[psycopg.Connection[Any], Window, datetime], object]


@dataclass(frozen=True, slots=True)
class Question:
    """Something a page asks.

    Attributes:
        name: in words.
        ask: asks it on a connection in autocommit, of a window, at an instant.
        is_headline: whether the hold of the headline numbers is about it.
    """

    name: str
    ask: Ask
    is_headline: bool = False


def _look(question: Callable[[Look, Window, datetime], object]) -> Ask:
    """A question that is answered by one look at the rollups and the tail."""

    def ask(connection: psycopg.Connection[Any], window: Window, now: datetime) -> object:
        with looking(connection) as look:
            return question(look, window, now)

    return ask


def _percentiles(look: Look, window: Window) -> object:
    return percentiles_us(look.whole(window, _ANY).histogram, TOLD_SHARES)


def _objectives(look: Look, now: datetime) -> object:
    lengths = sorted({*WINDOWS, *BURN_WINDOWS})
    found = look.counts([window_until(now, length) for length in lengths], _ANY)
    by_length = dict(zip(lengths, found, strict=True))
    return [
        (
            [assess(objective, by_length[length]) for length in WINDOWS],
            burns(objective, by_length.__getitem__) if objective.burns else (),
        )
        for objective in OBJECTIVES.values()
    ]


def _slowest(connection: psycopg.Connection[Any], window: Window, _now: datetime) -> object:
    with looking(connection) as look:
        found = slowest.search(connection, look, window, _ANY, _SLOWEST)
        return slowest.fetch(connection, found)


def _failures(connection: psycopg.Connection[Any], window: Window, now: datetime) -> object:
    with looking(connection) as look:
        return failures.read(connection, look, now=now, window=window, wanted=_ANY)


# Asked of every window.
OF_A_WINDOW: Final = (
    Question(
        "headline: counts and percentiles",
        _look(lambda look, window, _: (look.counts([window], _ANY), _percentiles(look, window))),
        is_headline=True,
    ),
    Question("counts", _look(lambda look, window, _: look.counts([window], _ANY))),
    Question("percentiles", _look(lambda look, window, _: _percentiles(look, window))),
    Question("each operation", _look(lambda look, window, _: look.by_operation(window, _ANY))),
    Question(
        "chart",
        _look(lambda look, window, now: look.series(window, charted_tier(window, now), _ANY)),
    ),
    Question(
        "the window before",
        _look(lambda look, window, now: _percentiles(look, window_before(window, now))),
    ),
)
# What whole pages read, in one go each.
OF_A_PAGE: Final = (
    Question(
        "overview page",
        lambda connection, window, now: overview.read(
            connection, now=now, length=window.length, wanted=_ANY
        ),
    ),
    Question(
        "latency page",
        _look(lambda look, window, now: latency.read(look, now, window.length, _ANY)),
    ),
    Question("latency page: slowest attempts", _slowest),
    Question("errors page", _failures),
)
# Asked of the present; the window is that of the last hour.
OF_NOW: Final = (
    Question(
        "objectives and burn rates, all windows", _look(lambda look, _, n: _objectives(look, n))
    ),
    Question("tail", _look(lambda look, window, _: look.tail(window.start))),
)
