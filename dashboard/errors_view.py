"""All that the errors page shows of one reading, ready to be drawn.

It is made before the first element is sent, so that all parts are of one reading.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, overload
from zoneinfo import ZoneInfo

import pandas as pd
import pyarrow as pa

from dashboard import code_chart, errors_tables, errors_wording, figures, wording
from dashboard.errors_reads import Reading
from dashboard.errors_wording import share
from dashboard.status import NOTHING_READ, outage
from dashboard.tables import packed
from dashboard.wording import Words
from engine.errors import ErrorCode
from engine.rollups import failures, parts
from engine.rollups.counts import Traffic
from engine.rollups.failures import Failures
from engine.rollups.selection import Selection

CHART: Final = "Share of attempts that failed"


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence and the attempts that it counts.

    Attributes:
        text: the sentence.
        receipt: None where there is nothing to be shown.
    """

    text: str
    receipt: Selection | None = None


@dataclass(frozen=True, slots=True)
class View:
    """The errors page of one reading.

    Attributes:
        notice: why the numbers are old; empty while they are not.
        badges: how they come about; none of them while they are old.
        as_of: which window it is.
        end: of the window, the same for every part; empty if nothing was read.
        headline: how many attempts failed.
        chart_title: what the chart is.
        figure: serialised, see `dashboard.plot`.
        told: the chart for those who do not see it.
        notes: what is not in it, a line each.
        codes: one a row.
        codes_note: what its numbers rest on.
        code: the only one that shapes and newest are of.
        correlation_ids: the newest of that code.
        shapes: one a row.
        shapes_note: what they are shapes of.
        newest: failed attempts, one a row.
        paths: rates on both save paths, one a row.
        unknown_caller: how many were refused before an agent was known; None for other traffic.
        unknown_caller_codes: their codes, one a row.
        nothing: what to say in the place of tables when there are no failures.
        shows_attempts: whether there is anything in it of single attempts.
    """

    notice: str
    badges: tuple[Words, ...]
    as_of: str
    end: str
    headline: Said
    chart_title: str
    figure: str
    told: str
    notes: tuple[str, ...]
    codes: pa.Table
    codes_note: str
    code: ErrorCode | None
    correlation_ids: tuple[str, ...]
    shapes: pa.Table
    shapes_note: str
    newest: pa.Table
    paths: pa.Table
    unknown_caller: Said | None
    unknown_caller_codes: pa.Table
    nothing: str
    shows_attempts: bool


def compose(
    reading: Reading,
    length: timedelta,
    refresh_s: int | None,
    zone: ZoneInfo | None,
    now: datetime,
) -> View:
    """Arranges a reading.

    Args:
        reading: what is known.
        length: how far back it looks.
        refresh_s: seconds between refreshes; None while paused.
        zone: the viewer's; None where that is UTC.
        now: the present instant.
    """
    found = reading.failures
    # A page that stands still may be read on another day.
    read_at = None if refresh_s is None else now
    notice = outage(
        reading.freshness,
        None if found is None else found.read_at,
        zone,
        read_at,
        waiting=reading.waiting,
    )
    if found is None:
        return _nothing_read(notice, shows_attempts=reading.shows_attempts)
    is_stale = reading.freshness.is_stale
    chosen = code_chart.shown(found) if found.code is not None else []
    sample = chosen[0].sample if chosen else None
    return View(
        notice=notice,
        badges=() if is_stale else _badges(refresh_s, reading.waiting),
        as_of=""
        if is_stale
        else f"{wording.window_words(length)}, exact as of"
        f" {wording.clock_time(found.read_at, zone, read_at)}",
        end=found.read_at.isoformat(),
        headline=_shown(_headline(found), reading),
        chart_title=code_chart.title(found),
        figure=code_chart.draw(found, zone),
        told=code_chart.told(found),
        notes=code_chart.notes(found),
        codes=_of_all(errors_tables.codes(found), reading),
        codes_note=_codes_note(found, shows_attempts=reading.shows_attempts),
        code=found.code,
        correlation_ids=() if sample is None else sample.correlation_ids,
        shapes=_of_all(errors_tables.shapes(found), reading),
        shapes_note=_shapes_note(found, shows_attempts=reading.shows_attempts),
        newest=packed(errors_tables.newest(found)),
        paths=_of_all(errors_tables.paths(found), reading),
        unknown_caller=_shown(_unknown_caller(found), reading),
        unknown_caller_codes=_of_all(errors_tables.unknown_caller(found), reading),
        nothing=code_chart.nothing(found),
        shows_attempts=reading.shows_attempts,
    )


def _of_all(shown: pd.DataFrame, reading: Reading) -> pa.Table:
    """A table; without what names an attempt or leads to any, for who may see none."""
    if not reading.shows_attempts:
        shown = shown.drop(columns=list(errors_tables.OF_ATTEMPTS), errors="ignore")
    return packed(shown)


@overload
def _shown(said: Said, reading: Reading) -> Said: ...


@overload
def _shown(said: Said | None, reading: Reading) -> Said | None: ...


def _shown(said: Said | None, reading: Reading) -> Said | None:
    """A sentence leads to its attempts only for who may see them."""
    return said if said is None or reading.shows_attempts else replace(said, receipt=None)


def _badges(refresh_s: int | None, waiting: int) -> tuple[Words, ...]:
    """How fresh numbers come about, and what is not in them."""
    found = [
        Words("Paused", "gray")
        if refresh_s is None
        else Words(f"Live, every {refresh_s} s", "blue")
    ]
    if waiting:
        found.append(
            Words(f"{wording.counted(waiting, 'attempt')} not in the ledger yet", "orange")
        )
    return tuple(found)


def _headline(found: Failures) -> Said:
    """How many attempts failed, and through whom."""
    counts = found.counts
    if not counts.attempts:
        return Said(f"{errors_wording.no_attempts(found.wanted)}: no data.")
    bad, ours = counts.unsuccessful, counts.service_failures
    if not bad:
        return Said(f"None of {wording.counted(counts.attempts, 'attempt')} failed.")
    return Said(
        f"{wording.count(bad)} of {wording.counted(counts.attempts, 'attempt')} failed"
        f" ({share(bad, counts.attempts)}): {wording.count(ours)} through us"
        f" ({share(ours, counts.attempts)}), {wording.count(bad - ours)} through callers.",
        Selection(found.window, found.wanted, parts.UNSUCCESSFUL),
    )


def _codes_note(found: Failures, *, shows_attempts: bool) -> str:
    if not found.codes:
        return ""
    return (
        "Share is of all attempts. Trend is the change of that share against the window before."
        f" Agents{', quotes and correlation ids' if shows_attempts else ' and quotes'} are those of"
        " the newest"
        f" {wording.count(failures.SAMPLED)} attempts of a code at most; first seen is ever."
    )


def _shapes_note(found: Failures, *, shows_attempts: bool) -> str:
    """What the shapes are of, and what their links show."""
    if not found.shapes:
        return ""
    cut = [
        each
        for each in code_chart.shown(found)
        if each.sample is None or each.sample.attempts < each.count
    ]
    most = (
        f" The {wording.count(failures.SHAPES)} most frequent are listed."
        if len(found.shapes) == failures.SHAPES
        else ""
    )
    of = (
        f"Of the newest {wording.count(failures.SAMPLED)} attempts of each code that are still"
        " kept, so not all are counted here."
        if cut
        else "Every failed attempt of the window is in one of them."
    )
    link = (
        " A shape's link shows its attempts whatever their HTTP status, and whatever fields where"
        " it has none."
    )
    return (
        f"Same code, operation, path, changed fields and HTTP status. {of}{most}"
        f"{link if shows_attempts else ''}"
    )


def _unknown_caller(found: Failures) -> Said | None:
    refused = found.unknown_caller
    if refused is None:
        return None
    arrived = refused.attempts + found.counts.attempts
    if not refused.attempts:
        none = "No data." if not arrived else "None in the window."
        return Said(none)
    return Said(
        f"{wording.counted(refused.attempts, 'attempt')}"
        f" ({share(refused.attempts, arrived)} of the {wording.count(arrived)} that arrived)."
        " They are in no other number of this page.",
        Selection(found.window, found.wanted._replace(traffic=Traffic.UNKNOWN_CALLER)),
    )


def _nothing_read(notice: str, *, shows_attempts: bool) -> View:
    none = pa.table({})
    return View(
        notice=notice,
        badges=(),
        as_of="",
        end="",
        headline=Said(""),
        chart_title=CHART,
        figure=figures.nothing(NOTHING_READ),
        told=f"{CHART}: {NOTHING_READ}.",
        notes=(),
        codes=none,
        codes_note="",
        code=None,
        correlation_ids=(),
        shapes=none,
        shapes_note="",
        newest=none,
        paths=none,
        unknown_caller=None,
        unknown_caller_codes=none,
        nothing=NOTHING_READ,
        shows_attempts=shows_attempts,
    )
