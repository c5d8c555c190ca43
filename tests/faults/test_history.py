"""The judge acquits an honest history, and names every anomaly that is put into it."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest

from engine.readiness.probes.history import (
    INDETERMINATE,
    REFUSED,
    REPLAYED,
    SAVED,
    Call,
    Facts,
    judge,
)

AGENT, QUOTE, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)

Attempt = namedtuple(  # noqa: PYI024  # as the driver makes them
    "Attempt",
    "agent_id correlation_id id outcome error_code quote_id actual_version idempotency_key",
)
Quote = namedtuple("Quote", "agent_id id version status trip_name")  # noqa: PYI024
Revision = namedtuple(  # noqa: PYI024
    "Revision", "agent_id quote_id version correlation_id attempt_id trip_name"
)


def attempt(number: int, outcome: str, version: int | None, **more: Any) -> Any:
    row = Attempt(AGENT, f"call-{number}", UUID(int=number), outcome, None, QUOTE, version, None)
    return row._replace(**more)


def call(number: int, answer: str | None, version: int | None, **more: Any) -> Call:
    made = Call(
        correlation_id=f"call-{number}",
        agent_id=AGENT,
        operation="UPDATE",
        quote_id=QUOTE,
        trip_name=f"Trip {number}",
        invoked=number * 10.0,
        returned=number * 10.0 + 5,
        answer=answer,
        version=version,
        answered_id=f"call-{number}",
    )
    return msgspec.structs.replace(made, **more)


def honest() -> tuple[list[Call], Facts]:
    """A create, an update, its replay, a conflict, and an update of which nothing was heard."""
    calls = [
        call(1, SAVED, 1),
        call(2, SAVED, 2, key="k"),
        call(3, REPLAYED, 2, key="k", answered_id="call-2", trip_name="Trip 2"),
        call(4, REFUSED, None, code="QUOTE_CONFLICT_VERSION"),
        call(5, INDETERMINATE, None),
    ]
    attempts = [
        attempt(1, "committed", 1),
        attempt(2, "committed", 2, idempotency_key="k"),
        attempt(3, "replayed", 2, idempotency_key="k"),
        attempt(4, "conflict", 2, error_code="QUOTE_CONFLICT_VERSION"),
        attempt(5, "committed", 3),
    ]
    revisions = [
        Revision(AGENT, QUOTE, version, f"call-{number}", UUID(int=number), f"Trip {number}")
        for version, number in ((1, 1), (2, 2), (3, 5))
    ]
    return calls, Facts(attempts, [Quote(AGENT, QUOTE, 3, "DRAFT", "Trip 5")], revisions)


def a_row_is_missing(_calls: list[Call], facts: Facts) -> None:
    del facts.attempts[3]


def a_row_is_there_twice(_calls: list[Call], facts: Facts) -> None:
    facts.attempts.append(facts.attempts[3])


def a_row_is_nobodys(_calls: list[Call], facts: Facts) -> None:
    facts.attempts.append(attempt(9, "failed", None))


def an_update_was_lost(_calls: list[Call], facts: Facts) -> None:
    """Two saves made version 2; the second overwrote the first."""
    facts.quotes[0] = facts.quotes[0]._replace(version=2)
    facts.revisions[2] = facts.revisions[2]._replace(version=2)
    facts.attempts[4] = facts.attempts[4]._replace(actual_version=2)


def a_version_was_skipped(_calls: list[Call], facts: Facts) -> None:
    facts.quotes[0] = facts.quotes[0]._replace(version=4)


def a_quote_vanished(_calls: list[Call], facts: Facts) -> None:
    facts.quotes.clear()


def a_revision_vanished(_calls: list[Call], facts: Facts) -> None:
    del facts.revisions[1]


def a_change_has_no_attempt(_calls: list[Call], facts: Facts) -> None:
    facts.attempts[4] = facts.attempts[4]._replace(outcome="failed")


def a_change_has_another_attempt(_calls: list[Call], facts: Facts) -> None:
    facts.revisions[2] = facts.revisions[2]._replace(version=9)


def an_attempt_has_no_change(_calls: list[Call], facts: Facts) -> None:
    facts.attempts[3] = facts.attempts[3]._replace(outcome="committed")


def other_words_stand(_calls: list[Call], facts: Facts) -> None:
    facts.revisions[1] = facts.revisions[1]._replace(trip_name="Trip 9")


def another_version_was_told(calls: list[Call], _facts: Facts) -> None:
    calls[1].version = 3


def another_id_was_told(calls: list[Call], _facts: Facts) -> None:
    calls[1].answered_id = "call-5"


def a_refusal_was_written(calls: list[Call], _facts: Facts) -> None:
    calls[4].answer, calls[4].code = REFUSED, "DATABASE_TIMEOUT"


def the_ledger_has_another_code(calls: list[Call], _facts: Facts) -> None:
    calls[3].code = "QUOTE_PERSISTENCE_FAILED"


def a_replay_was_recorded_as_a_save(_calls: list[Call], facts: Facts) -> None:
    facts.attempts[2] = facts.attempts[2]._replace(outcome="rejected")


def a_key_took_effect_twice(_calls: list[Call], facts: Facts) -> None:
    facts.attempts[4] = facts.attempts[4]._replace(idempotency_key="k")


def a_key_took_no_effect(calls: list[Call], _facts: Facts) -> None:
    calls[0].key = "unheard"


def a_later_save_came_before(calls: list[Call], _facts: Facts) -> None:
    calls[0].invoked, calls[0].returned = 90.0, 95.0


ANOMALIES: list[tuple[Callable[[list[Call], Facts], None], str]] = [
    (a_row_is_missing, "0 ROWS of one attempt: call-4"),
    (a_row_is_there_twice, "2 ROWS of one attempt: call-4"),
    (a_row_is_nobodys, "ROW OF NOBODY"),
    (an_update_was_lost, "VERSION IS NOT THE COUNT OF CHANGES"),
    (an_update_was_lost, "HISTORY WITH GAPS"),
    (a_version_was_skipped, "HISTORY WITH GAPS"),
    (a_quote_vanished, "COMMITTED WITHOUT A QUOTE"),
    (a_revision_vanished, "ACKNOWLEDGED AND LOST: call-2"),
    (a_revision_vanished, "ATTEMPT WITHOUT ITS CHANGE"),
    (a_change_has_no_attempt, "CHANGE WITHOUT AN ATTEMPT"),
    (a_change_has_another_attempt, "ATTEMPT OF ANOTHER CHANGE"),
    (an_attempt_has_no_change, "ATTEMPT WITHOUT ITS CHANGE"),
    (other_words_stand, "ACKNOWLEDGED WITH OTHER WORDS: call-2"),
    (another_version_was_told, "ACKNOWLEDGED AS SOMETHING ELSE: call-2"),
    (another_id_was_told, "ACKNOWLEDGED AS SOMETHING ELSE: call-2"),
    (a_refusal_was_written, "REFUSED AND YET WRITTEN: call-5"),
    (the_ledger_has_another_code, "THE LEDGER SAYS OTHERWISE: call-4"),
    (a_replay_was_recorded_as_a_save, "THE LEDGER SAYS OTHERWISE: call-3"),
    (a_key_took_effect_twice, "KEY k TOOK EFFECT 2 TIMES"),
    (a_key_took_no_effect, "KEY unheard ACKNOWLEDGED WITHOUT EFFECT: call-1"),
    (a_later_save_came_before, "BACK IN TIME"),
]


def test_an_honest_history_is_acquitted() -> None:
    assert judge(*honest()) == []


@pytest.mark.parametrize(
    ("put_in", "name"), ANOMALIES, ids=lambda each: getattr(each, "__name__", "")
)
def test_an_anomaly_is_named_with_its_proof(
    put_in: Callable[[list[Call], Facts], None], name: str
) -> None:
    calls, facts = honest()
    put_in(calls, facts)

    assert any(name in anomaly for anomaly in judge(calls, facts))


def test_a_call_that_was_never_begun_must_have_no_row() -> None:
    calls, facts = honest()
    calls.append(call(6, None, None))

    assert judge(calls, facts, never_begun={"call-6"}) == []
    assert judge(calls, facts) == [f"0 ROWS of one attempt: {calls[-1]}"]
    facts.attempts.append(attempt(6, "failed", None))
    assert judge(calls, facts, never_begun={"call-6"}) == [f"1 ROWS of one attempt: {calls[-1]}"]
