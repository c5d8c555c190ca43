"""The canonical line says what the row says, in the words of the view."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from engine.attempts import line_words
from engine.attempts.ledger import AttemptRow, Provenance
from engine.attempts.lines import Event, differences, encode, line_of

NOW = datetime(2026, 3, 1, 12, 0, 1, 234_567, tzinfo=UTC)
HERE = Provenance("production", "1.2.3", "web-1", has_edge=True)
ROW = AttemptRow(
    agent_id=UUID(int=1),
    started_at=datetime(2026, 3, 1, 14, 0, 1, 200_000, tzinfo=timezone(timedelta(hours=2))),
    id=UUID(int=2),
    quote_id=UUID(int=3),
    client_id=UUID(int=4),
    origin_id=5,
    duration_us=34_000,
    database_us=12_000,
    expected_version=6,
    actual_version=7,
    operation=2,
    outcome=4,
    error_code=3,
    severity=3,
    http_status=412,
    retries=1,
    path=1,
    source=3,
    retryable=True,
    correlation_id="REQ-1",
    traceparent="00-0-0-0",
    payload_hash=b"12",
    changed_fields="taxes,total",
    idempotency_key="a-key",
)
# Written out by hand from the domain page's section 8.
LINE = {
    "event": "attempt",
    "level": "info",
    "timestamp": "2026-03-01T12:00:01.234567Z",
    "id": "00000000-0000-0000-0000-000000000002",
    "correlation_id": "REQ-1",
    "traceparent": "00-0-0-0",
    "operation": "UPDATE",
    "outcome": "conflict",
    "error_code": "QUOTE_CONFLICT_VERSION",
    "severity": "HIGH",
    "retryable": True,
    "http_status": 412,
    "quote_id": "00000000-0000-0000-0000-000000000003",
    "agent_id": "00000000-0000-0000-0000-000000000001",
    "expected_version": 6,
    "actual_version": 7,
    "started_at": "2026-03-01T12:00:01.200000Z",
    "duration_us": 34_000,
    "database_us": 12_000,
    "retries": 1,
    "changed_fields": ["taxes", "total"],
    "path": "hardened",
    "source": "drill",
    "environment": "production",
    "release": "1.2.3",
    "instance": "web-1",
}


def written(row: AttemptRow = ROW, event: Event = Event.ENDED, by: Any = HERE) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode(line_of(row, by, event, NOW)))
    return found


def test_a_line_says_what_the_row_says_in_words() -> None:
    assert list(written().items()) == list(LINE.items())
    assert b"\n" not in encode(line_of(ROW, HERE, Event.ENDED, NOW))


@pytest.mark.parametrize(("stored", "logged"), [(None, None), ("", []), ("a", ["a"])])
def test_changed_fields_are_a_list_as_in_the_view(stored: str | None, logged: Any) -> None:
    row = AttemptRow(
        agent_id=UUID(int=1), started_at=NOW, id=UUID(int=2), origin_id=5, operation=1,
        correlation_id="REQ-1", changed_fields=stored,
    )  # fmt: skip

    assert written(row)["changed_fields"] == logged


def test_of_whom_the_ledger_does_not_know_nothing_is_said() -> None:
    line = written(by=None)

    assert (line["environment"], line["release"], line["instance"]) == (None, None, None)


def test_what_is_not_in_the_ledger_yet_is_a_warning_and_no_canonical_line() -> None:
    line = written(event=Event.WAITS)

    assert (line["event"], line["level"]) == ("attempt_waits", "warning")


def row_of_the_view(**changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = {
        **LINE,
        "id": ROW.id,
        "quote_id": ROW.quote_id,
        "agent_id": ROW.agent_id,
        "started_at": ROW.started_at,
        "client_id": ROW.client_id,
        "idempotency_key": "a-key",
        "payload_hash": b"12",
    }
    return row | changes


def test_a_line_and_its_row_agree_whatever_zone_the_row_was_read_in() -> None:
    assert differences(written(), row_of_the_view()) == []


def test_every_field_that_differs_is_named_with_both_values() -> None:
    line = written() | {"http_status": 200, "changed_fields": ["taxes"]}
    del line["retries"]
    row = row_of_the_view(started_at=ROW.started_at + timedelta(microseconds=1))

    assert set(differences(line, row)) == {
        ("http_status", "200", "412"),
        ("started_at", '"2026-03-01T12:00:01.200000Z"', '"2026-03-01T12:00:01.200001Z"'),
        ("retries", "absent", "1"),
        ("changed_fields", '["taxes"]', '["taxes","total"]'),
    }


def test_one_and_true_are_not_the_same() -> None:
    line = written() | {"retries": True}

    assert [each.field for each in differences(line, row_of_the_view())] == ["retries"]


def test_a_line_is_told_in_words_that_cannot_do_harm() -> None:
    line = written()

    assert line_words.event(line) == "attempt"
    assert line_words.told(line) == (
        "UPDATE conflict, QUOTE_CONFLICT_VERSION, HTTP 412, 34.0 ms,"
        " quote 00000000-0000-0000-0000-000000000003, version 7, on web-1"
    )
    hostile = {"event": "odd\x1b[31m", "timestamp": "x", "key\n": "a\u202eb", "none": None}
    said = line_words.event(hostile) + line_words.told(hostile)
    assert not {"\x1b", "\n", "\u202e"} & set(said)
    assert line_words.told({"event": ["attempt"], "x": "y" * 5_000}).endswith("…")


def test_a_line_shown_as_it_stands_cannot_do_harm_and_says_the_same() -> None:
    hostile = {"k\x9b31m": "a\u202eb\x7f\U000e0001é", "n": [1, "\x1b[31m"]}
    raw = json.dumps(hostile, ensure_ascii=False).replace(", ", ",\t")

    shown = line_words.as_json(raw)

    assert shown.isprintable()
    assert json.loads(shown) == hostile
    assert line_words.as_json('{"plain": "é"}') == '{"plain": "é"}'
