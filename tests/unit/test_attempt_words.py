"""An attempt in words: what on-call reads first, and every fact behind it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from engine.attempts.words import facts, sentence
from engine.errors import TAXONOMY, ErrorCode

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


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (ROW, "UPDATE was committed as version 2."),
        (
            ROW | {"outcome": "replayed"},
            "UPDATE was replayed: an earlier save under its idempotency key was answered again.",
        ),
        (
            refused("QUOTE_VALIDATION_FAILED", "rejected"),
            "UPDATE was refused: QUOTE_VALIDATION_FAILED.",
        ),
        (
            refused("QUOTE_CONFLICT_VERSION", "conflict", actual_version=4),
            (
                "UPDATE lost to another save: QUOTE_CONFLICT_VERSION."
                " It started from version 1, the quote was at 4."
            ),
        ),
        (
            refused("QUOTE_CONFLICT_VERSION", "conflict"),
            "UPDATE lost to another save: QUOTE_CONFLICT_VERSION.",
        ),
        (
            refused("DATABASE_TIMEOUT", "failed"),
            "UPDATE failed, and nothing was saved: DATABASE_TIMEOUT.",
        ),
        (
            refused("DATABASE_TIMEOUT", "indeterminate"),
            "UPDATE is in doubt, and may have been saved or not: DATABASE_TIMEOUT.",
        ),
    ],
    ids=lambda given: given["outcome"] if isinstance(given, dict) else None,
)
def test_each_outcome_is_a_sentence(row: dict[str, Any], said: str) -> None:
    assert sentence(row) == said


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
