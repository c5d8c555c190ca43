"""What the screens read, each as one question that all its viewers share; see `memory`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import psycopg

from dashboard import engine_in_process
from dashboard.memory import recall
from dashboard.status import Freshness
from dashboard.viewer import Viewer
from engine.access.roles import Permission
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
        shows_attempts: whether single attempts are in it, and may be led to.
    """

    summary: Overview | None
    freshness: Freshness
    waiting: int
    roll_every: timedelta = timedelta(seconds=10)
    shows_attempts: bool = True


def how_saves_are(viewer: Viewer, length: timedelta, wanted: Filter) -> Reading:
    """The attempts of the window that ends now.

    Args:
        viewer: who asks; single attempts are only read for who may read the ledger.
        length: how far back.
        wanted: which attempts to look at.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not see numbers.
    """
    if not viewer.may(Permission.SEE_NUMBERS):
        raise PermissionError
    runtime = engine_in_process.runtime()
    shows_attempts = viewer.may(Permission.READ_LEDGER)

    def read(connection: psycopg.Connection[Any]) -> Overview:
        found = overview.read(connection, now=runtime.clock.now(), length=length, wanted=wanted)
        return found if shows_attempts else replace(found, newest=())

    # By what may be seen, not by who: all who may see the same share it.
    known = recall(runtime, ("overview", shows_attempts, length, wanted), read)
    waiting = len(runtime.journal.spooled()) + len(runtime.journal.in_doubt())
    return Reading(
        known.value, known.freshness, waiting, runtime.settings.roll_interval, shows_attempts
    )
