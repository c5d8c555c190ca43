"""The canonical log line of an attempt: one JSON object with what the view `ledger` says of it.

Names and values are the view's, so that a line and its row can be held against each other. What
could tell of a person, or stand for a secret, is left to the ledger: the client, the idempotency
key and the hash of the payload. Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from engine.attempts.ledger import AttemptRow, Provenance
from engine.attempts.outcome import Outcome, Path, Source
from engine.errors import TAXONOMY, Severity
from engine.quotes.lifecycle import Operation

# The kind of the files that the lines are in, see `engine.log_files`.
KIND: Final = "attempts"
# Columns of the view that no line has.
WITHHELD: Final = frozenset({"client_id", "idempotency_key", "payload_hash"})


class Event(StrEnum):
    """What a line of these files is."""

    ENDED = "attempt"  # canonical: the save saw its row into the ledger
    SWEPT = "attempt_swept"  # canonical: a sweeper did, for a save that could not
    WAITS = "attempt_waits"  # not canonical: the ledger has yet to take it, or to say what it has


# Every row has one line of these.
CANONICAL: Final = frozenset({Event.ENDED.value, Event.SWEPT.value})


class Line(msgspec.Struct, kw_only=True):
    """One line; after the first three, columns of the view `ledger` in its order.

    Attributes:
        timestamp: when it was written.
    """

    event: str
    level: str
    timestamp: datetime
    id: UUID
    correlation_id: str
    traceparent: str | None
    operation: str | None
    outcome: str | None
    error_code: str | None
    severity: str | None
    retryable: bool | None
    http_status: int | None
    quote_id: UUID | None
    agent_id: UUID
    expected_version: int | None
    actual_version: int | None
    started_at: datetime
    duration_us: int
    database_us: int
    retries: int
    changed_fields: list[str] | None
    path: str | None
    source: str | None
    environment: str | None
    release: str | None
    instance: str | None


FIELDS: Final = Line.__struct_fields__[3:]


class Difference(NamedTuple):
    """A field in which a line and its row differ, as texts of JSON."""

    field: str
    line: str
    row: str


def line_of(
    row: AttemptRow, provenance: Provenance | None, event: Event, written_at: datetime
) -> Line:
    """The line of an attempt.

    Args:
        row: as the ledger has it.
        provenance: of the process that began it; None where the ledger does not know it.
        event: what kind of line.
        written_at: the present instant.
    """
    fields = row.changed_fields
    return Line(
        event=event.value,
        level="warning" if event is Event.WAITS else "info",
        timestamp=written_at,
        id=row.id,
        correlation_id=row.correlation_id,
        traceparent=row.traceparent,
        operation=_OPERATIONS.get(row.operation),
        outcome=_OUTCOMES.get(row.outcome),
        error_code=_CODES.get(row.error_code),
        severity=_SEVERITIES.get(row.severity),
        retryable=row.retryable,
        http_status=row.http_status,
        quote_id=row.quote_id,
        agent_id=row.agent_id,
        expected_version=row.expected_version,
        actual_version=row.actual_version,
        started_at=row.started_at.astimezone(UTC),
        duration_us=row.duration_us,
        database_us=row.database_us,
        retries=row.retries,
        changed_fields=None if fields is None else fields.split(",") if fields else [],
        path=_PATHS.get(row.path),
        source=_SOURCES.get(row.source),
        environment=None if provenance is None else provenance.environment,
        release=None if provenance is None else provenance.release,
        instance=None if provenance is None else provenance.instance,
    )


encode: Final = msgspec.json.Encoder().encode


def differences(line: Mapping[str, Any], row: Mapping[str, Any]) -> list[Difference]:
    """The fields in which a line, as it was decoded, is not what its row says.

    Args:
        line: name → value, as JSON has it.
        row: of the view `ledger`, by column.
    """
    found = []
    for field in FIELDS:
        there = _as_logged(row[field])
        here = line.get(field, _ABSENT)
        if here != there or type(here) is not type(there):  # 1 is True
            found.append(Difference(field, _text(here), _text(there)))
    return found


_ABSENT: Final = object()


def _text(value: object) -> str:
    return "absent" if value is _ABSENT else msgspec.json.encode(value).decode()


def _as_logged(value: object) -> object:
    """A column's value as a line has it."""
    if isinstance(value, datetime):
        value = value.astimezone(UTC)
    return msgspec.to_builtins(value)


# What the view makes of the ledger's numbers; a number that nobody has given is nothing there, too.
_OPERATIONS: Final = {each.value: each.name for each in Operation}
_OUTCOMES: Final = {each.value: each.name.lower() for each in Outcome}
_CODES: Final[dict[int | None, str]] = {
    meaning.number: code.value for code, meaning in TAXONOMY.items()
}
_SEVERITIES: Final[dict[int | None, str]] = {each.value: each.name for each in Severity}
_PATHS: Final = {each.value: each.name.lower() for each in Path}
_SOURCES: Final = {each.value: each.name.lower() for each in Source}
