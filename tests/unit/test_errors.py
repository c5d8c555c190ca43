"""The taxonomy, row by row as the domain page has it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from engine.attempts.ledger import outcome_of
from engine.attempts.outcome import Outcome
from engine.errors import TAXONOMY, ErrorCode, Refusal, Severity
from engine.quotes.lifecycle import quote_not_found
from engine.saving.answer import Refused
from engine.saving.idempotency import key_reused
from engine.saving.refusals import (
    client_not_found,
    from_failure,
    from_row,
    indeterminate,
    journal_full,
)
from tests.unit.examples import CORRELATION_ID, NOW, attempt_row

# code, number in the ledger, severity, retryable, HTTP status, outcome
TABLE = [
    ("QUOTE_VALIDATION_FAILED", 1, "HIGH", False, 400, Outcome.REJECTED),
    ("QUOTE_STATE_INVALID", 2, "HIGH", False, 409, Outcome.REJECTED),
    ("QUOTE_CONFLICT_VERSION", 3, "HIGH", True, 409, Outcome.CONFLICT),
    ("QUOTE_ALREADY_SENT", 4, "CRITICAL", False, 409, Outcome.REJECTED),
    ("QUOTE_PERSISTENCE_FAILED", 5, "CRITICAL", True, 500, Outcome.FAILED),
    ("DATABASE_TIMEOUT", 6, "HIGH", True, 504, Outcome.FAILED),
    ("DATABASE_TRANSACTION_ABORTED", 7, "CRITICAL", True, 503, Outcome.FAILED),
    ("AUTHENTICATION_FAILED", 8, "HIGH", False, 401, Outcome.REJECTED),
    ("AUTHORIZATION_FAILED", 9, "HIGH", False, 403, Outcome.REJECTED),
    ("CLIENT_NOT_FOUND", 10, "HIGH", False, 404, Outcome.REJECTED),
    ("AGENT_NOT_FOUND", 11, "HIGH", False, 404, Outcome.REJECTED),
    ("QUOTE_NOT_FOUND", 12, "HIGH", False, 404, Outcome.REJECTED),
    ("PRICING_VALIDATION_FAILED", 13, "HIGH", False, 400, Outcome.REJECTED),
    ("CURRENCY_INVALID", 14, "HIGH", False, 400, Outcome.REJECTED),
    ("ITEMS_INCONSISTENT", 15, "CRITICAL", False, 400, Outcome.REJECTED),
    ("QUOTA_EXCEEDED", 16, "HIGH", False, 403, Outcome.REJECTED),
    ("RATE_LIMIT_EXCEEDED", 17, "HIGH", True, 429, Outcome.REJECTED),
    ("INTERNAL_ERROR", 18, "CRITICAL", False, 500, Outcome.FAILED),
]


def test_the_taxonomy_is_the_domain_pages_and_its_numbers_are_those_of_old_rows() -> None:
    taxonomy = [
        (
            code.value,
            meaning.number,
            meaning.severity.name,
            meaning.retryable,
            meaning.http_status,
            outcome_of(code),
        )
        for code, meaning in TAXONOMY.items()
    ]

    assert taxonomy == TABLE


def test_severities_grow_with_their_numbers() -> None:
    assert [(severity.name, severity.value) for severity in Severity] == [
        ("INFO", 1),
        ("WARN", 2),
        ("HIGH", 3),
        ("CRITICAL", 4),
    ]


@pytest.mark.parametrize("code", ErrorCode)
def test_a_code_says_when_it_happens_and_what_to_do_in_whole_sentences(code: ErrorCode) -> None:
    meaning = TAXONOMY[code]

    assert meaning.when.endswith(".")
    assert meaning.action.endswith(".")
    assert not meaning.title.endswith(".")


@pytest.mark.parametrize("code", ErrorCode)
def test_a_refusal_has_the_status_of_its_code_unless_it_brings_its_own(code: ErrorCode) -> None:
    usual, special = Refusal(code, "x"), Refusal(code, "x", http_status=422)

    assert usual.http_status == TAXONOMY[code].http_status
    assert special.http_status == 422
    assert usual.meaning is TAXONOMY[code]


FAILURES = [code for code, *_, outcome in TABLE if outcome is Outcome.FAILED]


@pytest.mark.parametrize("code", FAILURES)
def test_a_failure_says_that_nothing_was_changed_and_nothing_of_the_inside(code: str) -> None:
    refusal = from_failure(ErrorCode(code))

    assert refusal.code == code
    assert refusal.details == {}
    assert "nothing was changed" in refusal.message or "correlation id" in refusal.message


@pytest.mark.parametrize("code", ErrorCode)
def test_a_row_of_the_ledger_gives_its_refusal_again(code: ErrorCode) -> None:
    row = attempt_row(expected_version=2, actual_version=3)
    row = row.refused(Refusal(code, "lost with the line"))

    refusal = from_row(row)

    assert refusal.code is code
    assert refusal.http_status == TAXONOMY[code].http_status
    assert refusal.message


def test_a_key_that_comes_back_with_another_body_is_unprocessable() -> None:
    refusal = key_reused()

    assert refusal.code is ErrorCode.QUOTE_VALIDATION_FAILED
    assert refusal.http_status == 422
    assert refusal.details == {"reason": "idempotency_key_reused"}


def test_an_attempt_in_doubt_says_so_and_is_not_sent_again_by_a_program() -> None:
    refusal = indeterminate()

    assert refusal.details == {"outcome": "indeterminate"}
    # Programs send again by themselves what is retryable and at most HIGH.
    assert refusal.meaning.retryable
    assert refusal.meaning.severity is Severity.CRITICAL


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (journal_full(), "QUOTE_PERSISTENCE_FAILED"),
        (client_not_found(), "CLIENT_NOT_FOUND"),
        (quote_not_found(), "QUOTE_NOT_FOUND"),
    ],
)
def test_the_other_refusals_have_their_codes(refusal: Refusal, code: str) -> None:
    assert refusal.code == code


@pytest.mark.parametrize("code", ErrorCode)
def test_a_refusal_on_the_wire_is_flat_and_has_the_members_of_the_contract(code: ErrorCode) -> None:
    refused_at = NOW + timedelta(microseconds=123_999)
    refusal = Refusal(code, "what happened", {"quoteId": "x"})

    answer = Refused(refusal, CORRELATION_ID, refused_at)

    assert json.loads(answer.body()) == {
        "success": False,
        "errorCode": code.value,
        "message": "what happened",
        "severity": TAXONOMY[code].severity.name,
        "retryable": TAXONOMY[code].retryable,
        "correlationId": CORRELATION_ID,
        "details": {"quoteId": "x"},
        "timestamp": 1_769_860_800_123,
    }
    assert answer.http_status == TAXONOMY[code].http_status
