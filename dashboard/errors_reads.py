"""What the errors page reads, as one question that all its viewers share; see `memory`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import msgspec
import psycopg

from dashboard import engine_in_process
from dashboard.memory import recall
from dashboard.status import Freshness
from dashboard.viewer import Viewer
from engine.access.roles import Permission
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
        shows_attempts: whether single attempts are in it, and may be led to.
    """

    failures: Failures | None
    freshness: Freshness
    waiting: int
    shows_attempts: bool = True


def what_went_wrong(
    viewer: Viewer, length: timedelta, wanted: Filter, code: ErrorCode | None
) -> Reading:
    """The failures of the window that ends now.

    Args:
        viewer: who asks; single attempts are only kept for who may read the ledger.
        length: how far back.
        wanted: which attempts to look at.
        code: the only one to look at closely; every one if None.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not see numbers.
    """
    if not viewer.may(Permission.SEE_NUMBERS):
        raise PermissionError
    runtime = engine_in_process.runtime()
    shows_attempts = viewer.may(Permission.READ_LEDGER)

    def read(connection: psycopg.Connection[Any]) -> Failures:
        now = runtime.clock.now()
        with looking(connection) as look:
            found = failures.read(
                connection,
                look,
                now=now,
                window=window_until(now, length),
                wanted=wanted,
                code=code,
            )
        return found if shows_attempts else _without_attempts(found)

    # By what may be seen, not by who: all who may see the same share it.
    known = recall(runtime, ("errors", shows_attempts, length, wanted, code), read)
    waiting = len(runtime.journal.spooled()) + len(runtime.journal.in_doubt())
    return Reading(known.value, known.freshness, waiting, shows_attempts)


def _without_attempts(found: Failures) -> Failures:
    """Only what is counted: nothing in it tells one attempt, quote or agent from another."""
    return replace(
        found,
        codes=tuple(
            each
            if each.sample is None
            else msgspec.structs.replace(
                each, sample=msgspec.structs.replace(each.sample, correlation_ids=())
            )
            for each in found.codes
        ),
        shapes=tuple(msgspec.structs.replace(each, correlation_id="") for each in found.shapes),
        newest=(),
    )
