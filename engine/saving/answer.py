"""What a save says to its caller: the three results and their spelling on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import msgspec

from engine.clock import epoch_microseconds
from engine.errors import Refusal
from engine.payload import encode
from engine.quotes.lifecycle import Operation
from engine.quotes.record import QuoteRecord


class SavedAnswer(msgspec.Struct, rename="camel"):
    """Body of a save that was committed."""

    success: bool
    quote_id: UUID
    version: int
    saved_at: datetime
    correlation_id: str
    quote: QuoteRecord


class DeletedAnswer(msgspec.Struct, rename="camel"):
    """Body of a committed delete."""

    success: bool
    quote_id: UUID
    version: int
    correlation_id: str


class RefusalAnswer(msgspec.Struct, rename="camel"):
    """Body of every refusal; `timestamp` in milliseconds since 1970."""

    success: bool
    error_code: str
    message: str
    severity: str
    retryable: bool
    correlation_id: str
    details: Mapping[str, Any]
    timestamp: int


@dataclass(frozen=True, slots=True)
class Saved:
    """The save was committed by this attempt."""

    operation: Operation
    record: QuoteRecord
    correlation_id: str
    http_status: int

    @property
    def quote_id(self) -> UUID:
        """Which quote."""
        return self.record.id

    @property
    def version(self) -> int:
        """The version that it now has."""
        return self.record.version

    def body(self) -> bytes:
        """The answer as JSON."""
        return saved_body(self.operation, self.record, self.correlation_id)


@dataclass(frozen=True, slots=True)
class Replayed:
    """An earlier attempt with the same idempotency key was committed; this is its answer.

    The stored body carries the correlation id of the attempt that saved; this attempt's own id
    stands in the response header and in the ledger.
    """

    quote_id: UUID
    version: int
    correlation_id: str
    http_status: int
    stored_body: bytes

    def body(self) -> bytes:
        """The answer as it was given the first time."""
        return self.stored_body


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was changed by this attempt, or (details.outcome indeterminate) nobody knows yet."""

    refusal: Refusal
    correlation_id: str
    refused_at: datetime

    @property
    def http_status(self) -> int:
        """The status to answer with."""
        return self.refusal.http_status

    def body(self) -> bytes:
        """The answer as JSON."""
        return encode(refusal_answer(self.refusal, self.correlation_id, self.refused_at))


SaveResult: TypeAlias = Saved | Replayed | Refused


def saved_body(operation: Operation, record: QuoteRecord, correlation_id: str) -> bytes:
    """The body that answers a committed save."""
    if operation is Operation.DELETE:
        return encode(DeletedAnswer(True, record.id, record.version, correlation_id))  # noqa: FBT003
    return encode(
        SavedAnswer(
            success=True,
            quote_id=record.id,
            version=record.version,
            saved_at=record.last_modified_at,
            correlation_id=correlation_id,
            quote=record,
        )
    )


def refusal_answer(refusal: Refusal, correlation_id: str, refused_at: datetime) -> RefusalAnswer:
    """The members that every refusal has on the wire."""
    meaning = refusal.meaning
    return RefusalAnswer(
        success=False,
        error_code=refusal.code.value,
        message=refusal.message,
        severity=meaning.severity.name,
        retryable=meaning.retryable,
        correlation_id=correlation_id,
        details=refusal.details,
        timestamp=epoch_microseconds(refused_at) // 1000,
    )
