"""The rollups' tables: counters by time, what was rolled, and what retention has dropped.

None of them is sharded: they are small, and every agent's attempts meet in them.
"""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    DateTime,
    Integer,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

_INSTANT = DateTime(timezone=True)


class Rollup(SQLModel, table=True):
    """What is counted of the attempts of one span of time; operation 0 is all of them.

    `outcomes` has one element for each outcome, in the order of their numbers; `codes` and `slots`
    name what `code_counts` and `slot_counts` count. A slot is a bucket of the latency histogram.
    """

    __tablename__ = "attempt_rollup"
    __table_args__ = (
        # In this order: with the operation before the bucket, a window would read a whole tier.
        PrimaryKeyConstraint(
            "tier", "bucket", "operation", "traffic", "path", name="attempt_rollup_pkey"
        ),
        {"postgresql_with": {"fillfactor": 80, "autovacuum_vacuum_scale_factor": 0.02}},
    )

    tier: int = Field(sa_type=SmallInteger)
    bucket: datetime = Field(sa_type=_INSTANT)
    operation: int = Field(sa_type=SmallInteger)
    traffic: int = Field(sa_type=SmallInteger)
    path: int = Field(sa_type=SmallInteger)
    attempts: int
    outcomes: list[int] = Field(sa_type=ARRAY(Integer))
    codes: list[int] = Field(sa_type=ARRAY(SmallInteger))
    code_counts: list[int] = Field(sa_type=ARRAY(Integer))
    retried: int
    at_edge: int
    timed: int
    over_p95: int
    over_p99: int
    duration_us: int = Field(sa_type=BigInteger)
    database_us: int = Field(sa_type=BigInteger)
    longest_us: int
    slots: list[int] = Field(sa_type=ARRAY(SmallInteger))
    slot_counts: list[int] = Field(sa_type=ARRAY(Integer))


class RollupState(SQLModel, table=True):
    """Which rows of the ledger the rollups hold; one row.

    `snapshot` is that of the transaction that rolled last, as PostgreSQL spells it; without one
    nothing was rolled. `feed` says how new rows are found. The limits are those that the rows were
    counted against. `txid_offset` is what the ledger's rows add to the number of their transaction,
    as the snapshot does, and `is_stale` asks for a build; see `engine.rollups.restored`.
    """

    __tablename__ = "rollup_state"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="rollup_state_pkey"),
        CheckConstraint("id = 1", name="rollup_state_is_one"),
        CheckConstraint("feed IN ('snapshot', 'queue')", name="rollup_state_feed_known"),
    )

    id: int = Field(sa_type=SmallInteger, sa_column_kwargs={"autoincrement": False})
    feed: str = Field(sa_type=Text)
    snapshot: str | None = Field(default=None, sa_type=Text)
    p95_limit_us: int
    p99_limit_us: int
    rolled: int = Field(sa_type=BigInteger)
    runs: int = Field(sa_type=BigInteger)
    rolled_at: datetime | None = Field(default=None, sa_type=_INSTANT)
    txid_offset: int = Field(
        default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": text("0")}
    )
    is_stale: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class DroppedPartition(SQLModel, table=True):
    """A day of the ledger that retention took away, and how many rows it had.

    A day stands here again when rows that came late for it were taken away, too.
    """

    __tablename__ = "dropped_partition"
    __table_args__ = (PrimaryKeyConstraint("name", "detached_at", name="dropped_partition_pkey"),)

    name: str = Field(sa_type=Text)
    day: date | None = Field(default=None, sa_type=Date)
    rows: int | None = Field(default=None, sa_type=BigInteger)
    detached_at: datetime = Field(sa_type=_INSTANT)
    dropped_at: datetime | None = Field(default=None, sa_type=_INSTANT)
