"""What the screens read, each as one question that all its viewers share; see `memory`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dashboard import engine_in_process
from dashboard.memory import recall
from dashboard.status import Freshness
from engine.rollups.selection import Filter
from engine.slo import overview
from engine.slo.overview import Overview


@dataclass(frozen=True, slots=True)
class Reading:
    """The newest numbers there are.

    Attributes:
        summary: None if none were ever read.
        freshness: whether they are of the present.
        waiting: attempts of this process that the ledger has yet to take.
        roll_every: how often the roller runs.
    """

    summary: Overview | None
    freshness: Freshness
    waiting: int
    roll_every: timedelta = timedelta(seconds=10)


def how_saves_are(length: timedelta, wanted: Filter) -> Reading:
    """The attempts of the window that ends now.

    Args:
        length: how far back.
        wanted: which attempts to look at.

    Raises:
        RuntimeError: this process has no engine.
    """
    runtime = engine_in_process.runtime()
    known = recall(
        runtime,
        ("overview", length, wanted),
        lambda connection: overview.read(
            connection, now=runtime.clock.now(), length=length, wanted=wanted
        ),
    )
    waiting = len(runtime.journal.spooled()) + len(runtime.journal.in_doubt())
    return Reading(known.value, known.freshness, waiting, runtime.settings.roll_interval)
