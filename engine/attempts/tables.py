"""The ledger's tables.

An attempt's words are stored as small numbers; the view `ledger` reads them back as words.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final
from uuid import UUID

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    event,
    literal_column,
    text,
)
from sqlmodel import Field, SQLModel

from engine.database.sql import fault_function, table_of

_INSTANT = DateTime(timezone=True)


# What one row of `attempt` can show by itself: the rule's name, and what must hold.
ATTEMPT_RULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "operation_known": "operation BETWEEN 1 AND 7",
        "outcome_known": "outcome BETWEEN 1 AND 6",
        "refusal_has_code": "(outcome IN (1, 2)) = (error_code IS NULL)",
        "correlation_given": "correlation_id <> ''",
    }
)
_PARAMETERS: Final = (
    "operation smallint, outcome smallint, error_code smallint, correlation_id text"
)


class Attempt(SQLModel, table=True):
    """One row for every attempt, whatever became of it; partitioned by the day it started.

    The key is known before the first byte is sent, so that a tombstone can take its place. There is
    no foreign key: an attempt on a quote that does not exist is an attempt all the same.
    """

    __tablename__ = "attempt"
    __table_args__ = (
        PrimaryKeyConstraint("agent_id", "started_at", "id", name="attempt_pkey"),
        # text_pattern_ops: equality, and the first characters of an id, whatever the collation.
        Index(
            "attempt_correlation_idx",
            "correlation_id",
            postgresql_ops={"correlation_id": "text_pattern_ops"},
        ),
        Index(
            "attempt_started_idx",
            "started_at",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
        ),
        # What was written since a snapshot, wherever it lies: see `engine.rollups.feeds`.
        Index(
            "attempt_txid_idx",
            "txid",
            postgresql_using="brin",
            postgresql_with={"pages_per_range": 128, "autosummarize": "on"},
        ),
        # The few rows that have a code, newest of each first.
        Index(
            "attempt_error_idx",
            "error_code",
            "started_at",
            postgresql_where=text("error_code IS NOT NULL"),
        ),
        # What callers name their requests by, besides; see `engine.attempts.probes`.
        Index(
            "attempt_trace_idx",
            literal_column("substr(traceparent, 4, 32)").label("trace_id"),
            postgresql_ops={"trace_id": "text_pattern_ops"},
            postgresql_where=text("traceparent IS NOT NULL"),
        ),
        Index(
            "attempt_idempotency_idx",
            "idempotency_key",
            postgresql_ops={"idempotency_key": "text_pattern_ops"},
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        # One constraint, for the reason that `quote` has one.
        CheckConstraint(
            "attempt_fault(operation, outcome, error_code, correlation_id) IS NULL",
            name="attempt_is_sound",
        ),
        {"postgresql_partition_by": "RANGE (started_at)"},
    )

    agent_id: UUID
    started_at: datetime = Field(sa_type=_INSTANT)
    id: UUID
    quote_id: UUID | None = None
    client_id: UUID | None = None
    origin_id: int = Field(sa_type=BigInteger)
    duration_us: int
    database_us: int
    expected_version: int | None = None
    actual_version: int | None = None
    operation: int = Field(sa_type=SmallInteger)
    outcome: int = Field(sa_type=SmallInteger)
    error_code: int | None = Field(default=None, sa_type=SmallInteger)
    severity: int | None = Field(default=None, sa_type=SmallInteger)
    http_status: int | None = Field(default=None, sa_type=SmallInteger)
    retries: int = Field(sa_type=SmallInteger)
    path: int = Field(sa_type=SmallInteger)
    source: int = Field(sa_type=SmallInteger)
    retryable: bool | None = None
    correlation_id: str = Field(sa_type=Text)
    traceparent: str | None = Field(default=None, sa_type=Text)
    payload_hash: bytes | None = None
    changed_fields: str | None = Field(default=None, sa_type=Text)
    idempotency_key: str | None = Field(default=None, sa_type=Text)
    # The transaction that wrote it, by the server; null in rows from before there were rollups.
    txid: int | None = Field(
        default=None,
        sa_type=BigInteger,
        sa_column_kwargs={"server_default": text("txid_current()")},
    )


event.listen(
    table_of(Attempt),
    "before_create",
    DDL(fault_function(f"attempt_fault({_PARAMETERS})", ATTEMPT_RULES)),  # type: ignore[no-untyped-call]
)


class QueuedAttempt(SQLModel, table=True):
    """An attempt that the rollups have yet to take, where they are fed by a queue.

    It is written with the attempt's own row, and holds what is counted of it.
    """

    __tablename__ = "attempt_queue"
    __table_args__ = (
        PrimaryKeyConstraint("agent_id", "started_at", "id", name="attempt_queue_pkey"),
        {"postgresql_with": {"autovacuum_vacuum_scale_factor": 0.02}},
    )

    agent_id: UUID
    started_at: datetime = Field(sa_type=_INSTANT)
    id: UUID
    origin_id: int = Field(sa_type=BigInteger)
    duration_us: int
    database_us: int
    operation: int = Field(sa_type=SmallInteger)
    outcome: int = Field(sa_type=SmallInteger)
    error_code: int | None = Field(default=None, sa_type=SmallInteger)
    retries: int = Field(sa_type=SmallInteger)
    path: int = Field(sa_type=SmallInteger)
    source: int = Field(sa_type=SmallInteger)


class Origin(SQLModel, table=True):
    """Where attempts come from: environment, release and instance of one running process.

    One that has an edge serves HTTP: its attempts are those of requests, but for what expires.
    """

    __tablename__ = "origin"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="origin_pkey"),
        UniqueConstraint("environment", "release", "instance", name="origin_name_key"),
    )

    id: int = Field(sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    environment: str = Field(sa_type=Text)
    release: str = Field(sa_type=Text)
    instance: str = Field(sa_type=Text)
    first_seen_at: datetime = Field(sa_type=_INSTANT)
    has_edge: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class Installation(SQLModel, table=True):
    """What tells this database from every other: a journal belongs to one of them."""

    __tablename__ = "installation"
    __table_args__ = (
        PrimaryKeyConstraint("is_only", name="installation_pkey"),
        CheckConstraint("is_only", name="installation_is_one"),
    )

    is_only: bool
    id: UUID


class EdgeCount(SQLModel, table=True):
    """How many requests to save reached one process in one minute, as it counted them itself.

    `left_early` are those of callers who hung up before they had sent their request: they made no
    attempt.
    """

    __tablename__ = "edge_count"
    __table_args__ = (PrimaryKeyConstraint("bucket", "process_id", name="edge_count_pkey"),)

    bucket: datetime = Field(sa_type=_INSTANT)
    process_id: UUID
    origin_id: int = Field(sa_type=BigInteger)
    arrivals: int
    left_early: int


class LineCount(SQLModel, table=True):
    """How many log lines of attempts at the edge one process wrote, by the minute they started in.

    Beside each minute of `edge_count` of a process that has logs, also where there was no line.
    `lost` are those that could not be written.
    """

    __tablename__ = "line_count"
    __table_args__ = (PrimaryKeyConstraint("bucket", "process_id", name="line_count_pkey"),)

    bucket: datetime = Field(sa_type=_INSTANT)
    process_id: UUID
    origin_id: int = Field(sa_type=BigInteger)
    written: int
    lost: int
