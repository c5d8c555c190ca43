"""How an attempt's row starts and ends, before any database sees it."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from engine.attempts.ledger import FIELDS, origin_id, parameters
from engine.attempts.outcome import UNKNOWN_AGENT, Outcome, Path, Source
from engine.errors import TAXONOMY, ErrorCode, Refusal
from engine.settings import Settings
from tests.unit.examples import NOW, attempt_row


def test_a_row_starts_as_that_of_an_attempt_of_which_nothing_was_heard() -> None:
    row = attempt_row()

    assert row.outcome == Outcome.FAILED
    assert row.error_code == TAXONOMY[ErrorCode.QUOTE_PERSISTENCE_FAILED].number
    assert (row.path, row.source, row.retries) == (Path.HARDENED, Source.LIVE, 0)


@pytest.mark.parametrize("code", ErrorCode)
def test_a_refused_row_carries_what_its_code_means(code: ErrorCode) -> None:
    meaning = TAXONOMY[code]

    row = attempt_row().refused(Refusal(code, "x", http_status=418))

    assert (row.error_code, row.severity, row.retryable, row.http_status) == (
        meaning.number,
        meaning.severity,
        meaning.retryable,
        418,
    )


def test_a_refused_row_may_be_given_another_outcome() -> None:
    refusal = Refusal(ErrorCode.DATABASE_TIMEOUT, "x")

    row = attempt_row().refused(refusal, Outcome.INDETERMINATE)

    assert row.outcome == Outcome.INDETERMINATE


@pytest.mark.parametrize("outcome", [Outcome.COMMITTED, Outcome.REPLAYED])
def test_an_accepted_row_carries_no_error(outcome: Outcome) -> None:
    row = attempt_row().accepted(outcome, 201)

    assert (row.outcome, row.http_status) == (outcome, 201)
    assert (row.error_code, row.severity, row.retryable) == (None, None, None)


def test_ending_a_row_leaves_the_one_it_was_made_from() -> None:
    row = attempt_row()

    row.accepted(Outcome.COMMITTED, 200)
    row.refused(Refusal(ErrorCode.INTERNAL_ERROR, "x"))

    assert row == attempt_row()


def test_the_parameters_of_a_row_are_prefixed_so_that_a_quote_may_have_an_id_too() -> None:
    named = parameters(attempt_row(5, payload_hash=b"\0\xff"))

    assert set(named) == {f"attempt_{field}" for field in FIELDS}
    assert named["attempt_id"].int == 5
    assert named["attempt_payload_hash"] == b"\0\xff"


def test_a_row_goes_through_the_journals_json_unchanged() -> None:
    row = attempt_row(
        started_at=NOW + timedelta(microseconds=1),
        payload_hash=bytes(range(32)),
        changed_fields="trip_name,fees",
        origin_id=-(2**63),
    )

    assert msgspec.json.decode(msgspec.json.encode(row), type=type(row)) == row


def test_a_process_has_the_same_number_as_long_as_its_three_names_are_the_same() -> None:
    settings = Settings(environment="production", release="1.2.3", instance="a-1")
    same = Settings(environment="production", release="1.2.3", instance="a-1", port=1)
    shifted = Settings(environment="production", release="1.2.3-a", instance="1")

    assert origin_id(settings) == origin_id(same) != origin_id(shifted)
    assert -(2**63) <= origin_id(settings) < 2**63


def test_the_words_of_the_ledger_have_their_numbers_for_good() -> None:
    assert [(each.name, each.value) for each in Outcome] == [
        ("COMMITTED", 1),
        ("REPLAYED", 2),
        ("REJECTED", 3),
        ("CONFLICT", 4),
        ("FAILED", 5),
        ("INDETERMINATE", 6),
    ]
    assert [(each.name, each.value) for each in Path] == [("HARDENED", 1), ("LEGACY", 2)]
    assert [(each.name, each.value) for each in Source] == [
        ("LIVE", 1),
        ("SYNTHETIC", 2),
        ("DRILL", 3),
        ("LOAD", 4),
    ]
    assert UNKNOWN_AGENT.int == 0
