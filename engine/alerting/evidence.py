"""What is looked up because a rule's state is new: in the tick's snapshot, and in bounded time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

import psycopg
import structlog
from psycopg import errors

from engine.alerting import worst
from engine.alerting.deciding import Evidence
from engine.alerting.measuring import Readings, Sample, measure, samples_of
from engine.alerting.rules import Rule
from engine.alerting.states import Decision, RuleState
from engine.alerting.worst import Bad, bad_of
from engine.database.pool import EngineConnection
from engine.database.sqlstate import WaitTimeout
from engine.rollups.counts import Counts, Traffic
from engine.rollups.grid import window_until
from engine.rollups.selection import Filter
from engine.rollups.series import Look

# A pointer to an attempt is worth less than the alert itself.
_POINTING_MS: Final = 1_000
# What was asked took too long, or waits for a lock; or all that was asked before it did.
TOO_LATE: Final = (errors.QueryCanceled, errors.LockNotAvailable, WaitTimeout)


class Clerk:
    """Looks up what is told of rules whose state is new, in the snapshot of the tick."""

    def __init__(self, connection: EngineConnection, look: Look, seen: Readings) -> None:
        self._connection = connection
        self._look = look
        self._seen = seen
        self._worst: dict[Bad, worst.Worst | None] = {}
        self._whole: dict[Sample, Counts] = {}
        # What took too long once takes too long again; the alert goes out without it.
        self._is_late = False

    def evidence(self, rule: Rule, decision: Decision) -> Evidence:
        """The worst attempt, and for an alert its numbers with percentiles."""
        bad = bad_of(rule.condition)
        if bad is None or decision.is_no_data or self._is_late or self._connection.closed:
            return Evidence()
        try:
            with self._connection.transaction(), bounded(self._connection, _POINTING_MS):
                return Evidence(self._worst_of(bad), self._numbers(rule, decision))
        except TOO_LATE as error:
            self._is_late = True
            let_go(self._connection, error)
            structlog.get_logger().warning("alert_evidence_late", rule=rule.id)
            return Evidence()

    def _worst_of(self, bad: Bad) -> worst.Worst | None:
        operation, traffic, _path = bad.wanted
        counts = self._seen.counts.get(Sample(bad.length, operation, traffic or Traffic.LIVE))
        if counts is None or not bad.part.count(counts):
            return None
        if bad not in self._worst:
            found = worst.find(self._connection, self._look, bad, counts, self._seen.now)
            self._worst[bad] = found
        return self._worst[bad]

    def _numbers(self, rule: Rule, decision: Decision) -> Mapping[str, Any]:
        """The numbers of a rule that fires once more, this time with percentiles."""
        if decision.memory.state is not RuleState.FIRING:
            return {}
        sample = samples_of(rule.condition)[0]
        if sample not in self._whole:
            window = window_until(self._seen.now, sample.length)
            wanted = Filter(sample.operation, sample.traffic)
            self._whole[sample] = self._look.whole(window, wanted)
        counts = {**self._seen.counts, sample: self._whole[sample]}
        return measure(rule.condition, replace(self._seen, counts=counts)).numbers


@contextmanager
def bounded(connection: psycopg.Connection[Any], milliseconds: int) -> Iterator[None]:
    """Statements that are cut off, in a transaction."""
    connection.execute(f"SET LOCAL statement_timeout = {milliseconds}")
    yield


@contextmanager
def until(connection: EngineConnection, deadline: float) -> Iterator[None]:
    """Statements that together wait no longer than to an instant, in monotonic seconds."""
    before = connection.deadline
    connection.deadline = deadline if before is None else min(before, deadline)
    try:
        yield
    finally:
        connection.deadline = before


def let_go(connection: EngineConnection, error: Exception) -> None:
    """Closes a connection that could not even be told to go back to where it was."""
    if isinstance(error, WaitTimeout):
        connection.close()
