"""Idempotency keys: the answer of a committed save, kept for a day and given again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from engine.errors import ErrorCode, Refusal
from engine.saving import statements


class StoredAnswer(NamedTuple):
    """What an idempotency key remembers."""

    fingerprint: bytes
    http_status: int
    response: bytes
    quote_id: UUID
    version: int
    expires_at: datetime


def stored_answer(columns: Sequence[Any]) -> StoredAnswer | None:
    """The answer from its columns, None when they are null."""
    return None if columns[0] is None else StoredAnswer(*columns)


def find_answer(
    connection: psycopg.Connection[Any], agent_id: UUID, key: str
) -> StoredAnswer | None:
    """What is stored under an agent's key, expired or not."""
    row = (
        statements.read_key()
        .run(connection, {"agent_id": agent_id, "idempotency_key": key})
        .fetchone()
    )
    return None if row is None else stored_answer(row)


def forget_expired(
    connection: psycopg.Connection[Any], agent_id: UUID, key: str, now: datetime
) -> None:
    """Makes room for a new save under a key whose day is over."""
    statements.drop_expired_key().run(
        connection,
        {"agent_id": agent_id, "idempotency_key": key, "key_expires_at": now},
    )


def reap(connection: psycopg.Connection[Any], now: datetime, batch: int = 1_000) -> int:
    """Deletes keys whose day is over, in short statements; returns how many."""
    total = 0
    while True:
        values = {"key_expires_at": now, "batch": batch}
        count = statements.reap_keys().run(connection, values).rowcount
        total += count
        if count < batch:
            return total


def key_reused() -> Refusal:
    """The refusal of a key that came back with another request."""
    return Refusal(
        ErrorCode.QUOTE_VALIDATION_FAILED,
        "This Idempotency-Key was used for another request; make a new key for a new request.",
        {"reason": "idempotency_key_reused"},
        http_status=422,
    )
