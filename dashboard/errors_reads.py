"""What the errors page reads, as one question that all its viewers share; see `memory`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import psycopg

from dashboard import engine_in_process
from dashboard.memory import recall
from dashboard.status import Freshness
from engine.errors import ErrorCode
from engine.rollups import failures
from engine.rollups.failures import Failures
from engine.rollups.grid import window_until
from engine.rollups.selection import Filter
from engine.rollups.series import looking


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of what went wrong.

    Attributes:
        failures: None if nothing was ever read.
        freshness: whether it is of the present.
        waiting: attempts of this process that the ledger has yet to take.
    """

    failures: Failures | None
    freshness: Freshness
    waiting: int


def what_went_wrong(length: timedelta, wanted: Filter, code: ErrorCode | None) -> Reading:
    """The failures of the window that ends now.

    Args:
        length: how far back.
        wanted: which attempts to look at.
        code: the only one to look at closely; every one if None.

    Raises:
        RuntimeError: this process has no engine.
    """
    runtime = engine_in_process.runtime()

    def read(connection: psycopg.Connection[Any]) -> Failures:
        now = runtime.clock.now()
        with looking(connection) as look:
            return failures.read(
                connection,
                look,
                now=now,
                window=window_until(now, length),
                wanted=wanted,
                code=code,
            )

    known = recall(runtime, ("errors", length, wanted, code), read)
    waiting = len(runtime.journal.spooled()) + len(runtime.journal.in_doubt())
    return Reading(known.value, known.freshness, waiting)
