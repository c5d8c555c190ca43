"""From a pasted text to the evaluations that it names: alerts point at attempts, or at themselves.

Where no attempt was to blame an alert carries the correlation id of its own evaluation, which the
ledger does not have. And of an attempt that an alert points at, whoever looks it up wants to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.rows import tuple_row

from engine.alerting.states import RuleState
from engine.attempts.pasted import Kind, read
from engine.attempts.words import instant, printable
from engine.correlation import make_correlation_id

# More would be a list, not an answer.
_TOLD_MAX: Final = 20
# Longer texts are no ids, whoever chose them.
_WHOLE_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A rule went from one state into another.

    Attributes:
        id: of the transition.
        correlation_id: by which it was found.
        rule_id: of the rule.
        happened_at: when.
        tick: by which tick; None when the watchdog decided.
        before: the state it was in.
        after: the state it went into.
        alert_id: of the alert that it opened or ended; None without one.
        reason: why.
    """

    id: UUID
    correlation_id: str
    rule_id: str
    happened_at: datetime
    tick: int | None
    before: RuleState
    after: RuleState
    alert_id: UUID | None
    reason: str

    @property
    def is_own(self) -> bool:
        """Whether the id is the evaluation's own, and no attempt's."""
        return make_correlation_id(self.id) == self.correlation_id

    @property
    def sentence(self) -> str:
        """What it was, in words that a terminal and a page may show."""
        what = "is the evaluation in which" if self.is_own else "is the attempt that was shown when"
        by = "the watchdog" if self.tick is None else f"tick {self.tick}"
        return printable(
            f"{self.correlation_id} {what} alert rule {self.rule_id} went from {self.before} to"
            f" {self.after} at {instant(self.happened_at)}, by {by}: {self.reason}"
        )


def find(connection: psycopg.Connection[Any], text: str, now: datetime) -> tuple[Evaluation, ...]:
    """The evaluations that a text names by a correlation id, newest first.

    Args:
        connection: of the application.
        text: anything.
        now: the present instant.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    named = ids_in(text, now)
    if not named:
        return ()

    with connection.cursor(row_factory=tuple_row) as cursor:
        found = cursor.execute(_FIND, [named, _TOLD_MAX]).fetchall()
    return tuple(_evaluation(*row) for row in found)


def ids_in(text: str, now: datetime) -> list[str]:
    """The correlation ids that a text may name: those that look like one, and all of it.

    Args:
        text: anything.
        now: the present instant.
    """
    named = [
        clue.value
        for clue in read(text, now).clues
        if clue.kind is Kind.CORRELATION_ID and not clue.is_start
    ]
    whole = text.strip()
    if 0 < len(whole) <= _WHOLE_MAX and whole.isprintable():
        # Callers may choose any id; an alert carries it as it is.
        named.append(whole)
    return named


def _evaluation(
    transition_id: UUID,
    correlation_id: str,
    rule_id: str,
    happened_at: datetime,
    tick: int | None,
    before: str,
    after: str,
    alert_id: UUID | None,
    reason: str,
) -> Evaluation:
    states = RuleState(before), RuleState(after)
    return Evaluation(
        transition_id, correlation_id, rule_id, happened_at, tick, *states, alert_id, reason
    )


_FIND: Final = """
    -- Evaluations by the correlation id that they carry.
    SELECT id, correlation_id, rule_id, happened_at, tick, before, after, alert_id, reason
    FROM alert_transition
    WHERE correlation_id = ANY(%s)
    ORDER BY happened_at DESC, id DESC
    LIMIT %s
"""
