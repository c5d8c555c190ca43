"""An attempt in words: what on-call reads first, and every fact behind it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from engine.attempts.ledger import outcome_of
from engine.attempts.outcome import UNKNOWN_AGENT, Outcome
from engine.attempts.words import (
    Maker,
    advice,
    earlier,
    facts,
    is_safe_again,
    is_stored,
    sentence,
    steps,
    stored,
)
from engine.errors import TAXONOMY, ErrorCode
from engine.quotes.lifecycle import Operation

ROW: dict[str, Any] = {
    "id": UUID(int=1),
    "correlation_id": "REQ-1",
    "traceparent": None,
    "operation": "UPDATE",
    "outcome": "committed",
    "error_code": None,
    "severity": None,
    "retryable": None,
    "http_status": 200,
    "quote_id": UUID(int=2),
    "agent_id": UUID(int=3),
    "client_id": None,
    "expected_version": 1,
    "actual_version": 2,
    "started_at": datetime(2026, 11, 25, 18, 37, 14, 806_000, UTC),
    "duration_us": 7_887,
    "database_us": 3_200_100,
    "retries": 0,
    "payload_hash": b"\xab" * 32,
    "changed_fields": ["taxes", "adults"],
    "idempotency_key": None,
    "path": "hardened",
    "source": "live",
    "environment": "test",
    "release": "1",
    "instance": "here",
}


def refused(code: str, outcome: str, **changes: Any) -> dict[str, Any]:
    meaning = TAXONOMY[ErrorCode(code)]
    given = {"severity": meaning.severity.name, "retryable": meaning.retryable}
    return ROW | {"outcome": outcome, "error_code": code, "actual_version": None} | given | changes


WHO = "UPDATE of quote QT-2026-000007 by agent …00000003"
WHEN = "at 2026-11-25 18:37:14.813 UTC after 7.887 ms"
WINNER = Maker("REQ-WINNER", ROW["started_at"] - timedelta(milliseconds=840))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            ROW,
            f"{WHO} was committed {WHEN}; version 2 is stored; there is no need to send it again.",
        ),
        (
            ROW | {"idempotency_key": "k"},
            (
                f"{WHO} was committed {WHEN}; version 2 is stored; sent again under its idempotency"
                " key within a day, it is answered the same."
            ),
        ),
        (
            ROW | {"outcome": "replayed"},
            (
                f"{WHO} was answered with the stored answer of an earlier save under its"
                f" idempotency key {WHEN}; nothing was stored a second time; there is no need to"
                " send it again; the answer is that of REQ-WINNER, 0.8 s earlier."
            ),
        ),
        (
            refused("QUOTE_VALIDATION_FAILED", "rejected"),
            (
                f"{WHO} was refused as QUOTE_VALIDATION_FAILED (quote is not valid) {WHEN}; nothing"
                " was stored; sent again as it was, it would be refused again: mark the fields"
                " listed in details.errors and send again."
            ),
        ),
        (
            refused("QUOTE_CONFLICT_VERSION", "conflict", actual_version=4),
            (
                f"{WHO} was refused as a version conflict {WHEN} (from version 1, the quote was at"
                " 4); nothing was stored; reload before trying again; the winner was REQ-WINNER,"
                " 0.8 s earlier."
            ),
        ),
        (
            refused("DATABASE_TIMEOUT", "failed"),
            (
                f"{WHO} failed with DATABASE_TIMEOUT (database took too long) {WHEN}; nothing was"
                " stored; it is safe to try again: retry with backoff."
            ),
        ),
        (
            refused("INTERNAL_ERROR", "failed"),
            (
                f"{WHO} failed with INTERNAL_ERROR (internal error) {WHEN}; nothing was stored;"
                " sent again as it was, it may fail again: quote the correlation id to support."
            ),
        ),
        (
            refused("QUOTE_PERSISTENCE_FAILED", "failed", http_status=None, duration_us=0),
            (
                f"{WHO}, received at 2026-11-25 18:37:14.806 UTC, was cut off when its process"
                " ended, and closed afterwards as QUOTE_PERSISTENCE_FAILED (quote could not be"
                " stored); nothing was stored; it is safe to try again: retry with backoff."
            ),
        ),
        (
            refused("QUOTE_PERSISTENCE_FAILED", "indeterminate"),
            (
                f"{WHO} is in doubt since 2026-11-25 18:37:14.813 UTC, with"
                " QUOTE_PERSISTENCE_FAILED (quote could not be stored); whether anything was stored"
                " is not known; reload before trying again."
            ),
        ),
    ],
    ids=lambda given: given["outcome"] if isinstance(given, dict) else None,
)
def test_each_ending_is_a_sentence_that_says_what_was_stored_and_what_to_do(
    row: dict[str, Any], said: str
) -> None:
    assert sentence(row, quote_number="QT-2026-000007", maker=WINNER) == said


@pytest.mark.parametrize("operation", Operation)
@pytest.mark.parametrize("outcome", Outcome)
@pytest.mark.parametrize("code", [*ErrorCode, None])
@pytest.mark.parametrize("sparse", [True, False])
def test_whatever_the_ledger_holds_is_words_without_blanks(
    operation: Operation, outcome: Outcome, code: ErrorCode | None, *, sparse: bool
) -> None:
    """A code that a newer release wrote is none to the view."""
    row = ROW | {"operation": operation.name, "outcome": outcome.name.lower()}
    row |= {"error_code": None if code is None else code.value}
    if sparse:
        row |= dict.fromkeys(
            ["quote_id", "expected_version", "actual_version", "retryable", "http_status",
             "changed_fields", "idempotency_key", "path", "source", "environment", "release",
             "instance", "payload_hash", "severity"]
        )  # fmt: skip
        row |= {"agent_id": UNKNOWN_AGENT, "duration_us": 0, "database_us": 0}

    told = [
        sentence(row), sentence(row, maker=Maker(None, ROW["started_at"])), stored(row),
        advice(row), *(text for step in steps(row) for text in (step.what, step.detail)),
    ]  # fmt: skip

    for text in told:
        assert text == text.strip() != ""
        assert not re.search(r"None|  | [,;.:]|[{}]|\(\)", text)
    assert told[0].count(".") >= 1
    assert told[0].endswith(".")
    if code is not None and outcome is Outcome.REJECTED:
        assert code.value in told[0]
    if outcome is Outcome.INDETERMINATE:
        assert is_stored(row) is None
        assert "not known" in told[0]
    else:
        assert is_stored(row) == (outcome in {Outcome.COMMITTED, Outcome.REPLAYED})


@pytest.mark.parametrize("code", ErrorCode)
def test_trying_again_is_called_safe_just_where_the_taxonomy_does(code: ErrorCode) -> None:
    outcome = outcome_of(code)
    row = refused(code, outcome.name.lower())

    is_safe = TAXONOMY[code].retryable and outcome is not Outcome.CONFLICT
    assert is_safe_again(row) == is_safe
    assert ("it is safe to try again" in sentence(row)) == is_safe


def test_nobody_won_over_a_version_that_there_was_not() -> None:
    row = refused("QUOTE_CONFLICT_VERSION", "conflict", expected_version=9, actual_version=4)

    said = sentence(row, maker=WINNER)

    assert "winner was" not in said
    assert "version 9 was not made by then; the quote's last save was REQ-WINNER, 0.8 s" in said


def test_a_creation_without_a_key_is_not_to_be_sent_again() -> None:
    assert "would create a second quote" in sentence(ROW | {"operation": "CREATE"})


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (-1, "at about the same time"),
        (99, "99 ms earlier"),
        (100, "0.1 s earlier"),
        (59_999, "59.9 s earlier"),
        (60_000, "1 min earlier"),
        (3_600_000, "1 h earlier"),
        (172_800_000, "2 days earlier"),
    ],
)
def test_how_much_earlier_is_cut_and_never_rounded(milliseconds: int, said: str) -> None:
    assert earlier(timedelta(milliseconds=milliseconds)) == said


def test_steps_say_which_instants_are_stored_and_invent_none() -> None:
    row = ROW | {"database_us": 3_200, "retries": 2}
    priced_at = ROW["started_at"] + timedelta(milliseconds=3)

    told = list(steps(row, drawn_up_at=priced_at))

    assert [(step.at, step.what) for step in told] == [
        (ROW["started_at"], "Received"),
        (priced_at, "Checked and priced"),
        (None, "In the database"),
        (None, "Tried again"),
        (ROW["started_at"] + timedelta(microseconds=7_887), "Committed"),
    ]
    assert told[1].detail.startswith("4.687 ms outside the database")
    assert told[2].detail == "3.200 ms in all"
    assert told[3].detail.startswith("2 times")


def test_an_attempt_whose_process_died_has_one_instant() -> None:
    row = refused("QUOTE_PERSISTENCE_FAILED", "failed", http_status=None, duration_us=0)

    assert [step.at for step in steps(row)] == [ROW["started_at"], None, None]


def test_what_cannot_be_seen_is_spelled_out() -> None:
    row = ROW | {"correlation_id": "a\x1b[31m\u202eb\n\U000e0001"}

    told = dict(facts(row))

    assert told["correlation id"] == "a\\u001b[31m\\u202eb\\u000a\\U000e0001"
    assert all(text.isprintable() for text in told.values())
    assert sentence(row, quote_number="\u202eQT").isprintable()


def test_a_refusal_says_what_its_code_means_and_where_its_runbook_is() -> None:
    code = ErrorCode.QUOTE_ALREADY_SENT

    first = list(facts(refused(code, "rejected")))[:3]

    assert first == [
        ("meaning", TAXONOMY[code].when),
        ("caller", TAXONOMY[code].action),
        ("runbook", "docs/runbooks/errors.md#quote_already_sent"),
    ]
    page, _, anchor = first[2][1].partition("#")
    titles = (Path(__file__).parents[2] / page).read_text().lower().splitlines()
    assert f"## {anchor}" in titles


def test_facts_are_spelled_for_people() -> None:
    elsewhere = ROW["started_at"].astimezone(timezone(timedelta(hours=5, minutes=30)))

    told = dict(facts(refused("DATABASE_TIMEOUT", "failed", started_at=elsewhere)))

    assert told["duration"] == "7.887 ms"
    assert told["database"] == "3,200.100 ms"
    assert told["started"] == "2026-11-25 18:37:14.806000 UTC"
    assert told["retryable"] == "yes"
    assert told["changed"] == "taxes, adults"
    assert told["payload hash"] == "ab" * 32


def test_every_column_with_something_in_it_is_told() -> None:
    row = refused("INTERNAL_ERROR", "failed", traceparent="00-1-2-01", idempotency_key="k")
    row |= {"client_id": UUID(int=4), "actual_version": 9}

    told = list(facts(row))

    assert len(told) == len(row) + len(("meaning", "caller", "runbook"))
    assert all(text and text == text.strip() for _, text in told)
