"""Tables of alerting.

What happened is only ever added to: rule changes, ticks (which retention drops), transitions and
deliveries. What is to be done changes: states, alerts, the outbox, silences, the heartbeat.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


class AlertRuleChange(SQLModel, table=True):
    """Somebody has changed a rule of this installation; the newest of a rule is in force."""

    __tablename__ = "alert_rule_change"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="alert_rule_change_pkey"),
        Index("alert_rule_change_rule_idx", "rule_id", "made_at"),
    )

    id: UUID
    rule_id: str = Field(sa_type=Text)
    made_at: datetime = Field(sa_type=DateTime(timezone=True))
    made_by: str = Field(sa_type=Text)
    account_id: UUID | None = None
    reason: str = Field(sa_type=Text)
    # What differs from rules.toml, in its names; {} takes everything back.
    body: dict[str, Any] = Field(sa_type=JSONB)


class AlertTick(SQLModel, table=True):
    """One look at all rules; numbered without gaps, a missing number is a time of blindness."""

    __tablename__ = "alert_tick"
    __table_args__ = (
        PrimaryKeyConstraint("number", name="alert_tick_pkey"),
        CheckConstraint("number > 0", name="alert_tick_number_positive"),
        Index("alert_tick_started_idx", "started_at"),
    )

    number: int = Field(sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})
    due_at: datetime = Field(sa_type=DateTime(timezone=True))
    started_at: datetime = Field(sa_type=DateTime(timezone=True))
    ended_at: datetime = Field(sa_type=DateTime(timezone=True))
    instance: str = Field(sa_type=Text)
    release: str = Field(sa_type=Text)
    rules_digest: bytes
    rules: int
    unknown: int
    firing: int


class AlertState(SQLModel, table=True):
    """What a rule is in since its last tick; `engine.alerting.states.Memory` and why."""

    __tablename__ = "alert_state"
    __table_args__ = (
        PrimaryKeyConstraint("rule_id", name="alert_state_pkey"),
        CheckConstraint(
            "state IN ('inactive', 'pending', 'firing', 'resolved', 'unknown')",
            name="alert_state_known",
        ),
    )

    rule_id: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    since: datetime = Field(sa_type=DateTime(timezone=True))
    true_since: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    last_true: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    unknown_since: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    alert_id: UUID | None = None
    is_no_data: bool
    tick: int = Field(sa_type=BigInteger)
    reason: str = Field(sa_type=Text)
    numbers: dict[str, Any] = Field(sa_type=JSONB)


class AlertTransition(SQLModel, table=True):
    """A rule went from one state into another, with the numbers that decided it."""

    __tablename__ = "alert_transition"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="alert_transition_pkey"),
        UniqueConstraint("rule_id", "tick", name="alert_transition_once_a_tick"),
        Index("alert_transition_happened_idx", "happened_at", "id"),
        Index("alert_transition_correlation_idx", "correlation_id"),
    )

    id: UUID
    rule_id: str = Field(sa_type=Text)
    # Which tick decided it; none did where the watchdog had to, see `engine.alerting.watchdog`.
    tick: int | None = Field(default=None, sa_type=BigInteger)
    happened_at: datetime = Field(sa_type=DateTime(timezone=True))
    before: str = Field(sa_type=Text)
    after: str = Field(sa_type=Text)
    alert_id: UUID | None = None
    reason: str = Field(sa_type=Text)
    numbers: dict[str, Any] = Field(sa_type=JSONB)
    # Of the worst attempt of its window, or of this evaluation when there was none.
    correlation_id: str = Field(sa_type=Text)
    # What kept it from being told: {"silence": id} or {"cause": rule id}.
    muted_by: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))


class Alert(SQLModel, table=True):
    """A rule has fired: one alert from then until it is resolved."""

    __tablename__ = "alert"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="alert_pkey"),
        Index("alert_fired_idx", "fired_at", "id"),
        Index("alert_open_idx", "rule_id", postgresql_where=text("resolved_at IS NULL")),
    )

    id: UUID
    rule_id: str = Field(sa_type=Text)
    severity: str = Field(sa_type=Text)
    error_code: str = Field(sa_type=Text)
    environment: str = Field(sa_type=Text)
    correlation_id: str = Field(sa_type=Text)
    message: str = Field(sa_type=Text)
    numbers: dict[str, Any] = Field(sa_type=JSONB)
    fired_at: datetime = Field(sa_type=DateTime(timezone=True))
    # When somebody was last told that it fires: firing, or the last repeat; None while muted.
    told_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    resolved_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    acknowledged_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    acknowledged_by: str | None = Field(default=None, sa_type=Text)
    # What it turned out to be, of a bounded set, and what was said with it.
    disposition: str | None = Field(default=None, sa_type=Text)
    remark: str | None = Field(default=None, sa_type=Text)
    muted_by: dict[str, Any] | None = Field(default=None, sa_type=JSONB(none_as_null=True))


class AlertOutbox(SQLModel, table=True):
    """A notice that is to reach a channel, and how far it has come.

    It commits with the decision that it tells of. It is claimed with a conditional UPDATE; a claim
    that ran out may have been sent, so that what is sent after it is perhaps a repetition and says
    so.
    """

    __tablename__ = "alert_outbox"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="alert_outbox_pkey"),
        CheckConstraint(
            "kind IN ('firing', 'repeat', 'resolved', 'test', 'note')",
            name="alert_outbox_kind_known",
        ),
        CheckConstraint(
            "state IN ('waiting', 'sending', 'delivered', 'failed', 'not configured', 'dropped')",
            name="alert_outbox_state_known",
        ),
        Index(
            "alert_outbox_due_idx",
            "channel",
            text("urgency DESC"),
            "next_at",
            postgresql_where=text("state IN ('waiting', 'sending', 'not configured')"),
        ),
        Index(
            "alert_outbox_others_idx",
            text("(body -> 'others')"),
            postgresql_using="gin",
        ),
        Index("alert_outbox_alert_idx", "alert_id"),
        Index("alert_outbox_made_idx", "made_at", "id"),
        Index(
            "alert_outbox_came_to_idx",
            "channel",
            "state",
            "ended_at",
            "made_at",
            postgresql_include=["is_perhaps_repeated"],
        ),
        Index(
            "alert_outbox_tests_idx",
            "channel",
            text("made_at DESC"),
            text("id DESC"),
            postgresql_where=text("kind = 'test'"),
        ),
    )

    id: UUID
    alert_id: UUID
    kind: str = Field(sa_type=Text)
    channel: str = Field(sa_type=Text)
    # Channels that are tried when this one has failed for good, in order.
    escalates_to: list[str] = Field(sa_type=ARRAY(Text))
    # The number of its severity: the greatest goes first.
    urgency: int = Field(sa_type=SmallInteger)
    body: dict[str, Any] = Field(sa_type=JSONB)
    made_at: datetime = Field(sa_type=DateTime(timezone=True))
    state: str = Field(sa_type=Text)
    tries: int
    next_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    claimed_by: str | None = Field(default=None, sa_type=Text)
    claimed_until: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    # Of a bounded set, see `engine.alerting.channels.channel`.
    reason: str | None = Field(default=None, sa_type=Text)
    # What the channel answered, shortened and legible.
    answer: str | None = Field(default=None, sa_type=Text)
    # What the channel calls the message, such as Telegram's message id.
    receipt: str | None = Field(default=None, sa_type=Text)
    ended_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    is_perhaps_repeated: bool
    # Of a test: what the receiver echoes or a person types back, and when and who.
    nonce: str | None = Field(default=None, sa_type=Text)
    echoed_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    echoed_by: str | None = Field(default=None, sa_type=Text)


class AlertDelivery(SQLModel, table=True):
    """One try to send something of the outbox."""

    __tablename__ = "alert_delivery"
    __table_args__ = (PrimaryKeyConstraint("outbox_id", "number", name="alert_delivery_pkey"),)

    outbox_id: UUID
    number: int
    started_at: datetime = Field(sa_type=DateTime(timezone=True))
    ended_at: datetime = Field(sa_type=DateTime(timezone=True))
    result: str = Field(sa_type=Text)
    reason: str | None = Field(default=None, sa_type=Text)
    status: int | None = None
    answer: str | None = Field(default=None, sa_type=Text)


class AlertSilence(SQLModel, table=True):
    """Somebody wants not to be told of some alerts for a while, and says why."""

    __tablename__ = "alert_silence"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="alert_silence_pkey"),
        CheckConstraint("reason <> ''", name="alert_silence_reason_given"),
        CheckConstraint("expires_at > made_at", name="alert_silence_ends"),
    )

    id: UUID
    # {"rule": …, "severity": …, "code": …}: those given must all fit.
    matcher: dict[str, Any] = Field(sa_type=JSONB)
    reason: str = Field(sa_type=Text)
    made_at: datetime = Field(sa_type=DateTime(timezone=True))
    made_by: str = Field(sa_type=Text)
    account_id: UUID | None = None
    expires_at: datetime = Field(sa_type=DateTime(timezone=True))
    ended_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    ended_by: str | None = Field(default=None, sa_type=Text)


class AlertWatcher(SQLModel, table=True):
    """A process that watches, and what only it can see: whether its spool stands still."""

    __tablename__ = "alert_watcher"
    __table_args__ = (PrimaryKeyConstraint("process_id", name="alert_watcher_pkey"),)

    process_id: UUID
    instance: str = Field(sa_type=Text)
    seen_at: datetime = Field(sa_type=DateTime(timezone=True))
    # Attempts that the ledger has yet to take, and since when none of them has left.
    spooled: int
    still_since: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    # When it was stopped in order; None while it watches, and of one that was killed.
    ended_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class AlertHeartbeat(SQLModel, table=True):
    """What the watcher outside has last heard of the evaluator; one row."""

    __tablename__ = "alert_heartbeat"
    __table_args__ = (
        PrimaryKeyConstraint("id", name="alert_heartbeat_pkey"),
        CheckConstraint("id = 1", name="alert_heartbeat_one"),
    )

    id: int = Field(sa_column_kwargs={"autoincrement": False})
    tick: int = Field(sa_type=BigInteger)
    sent_at: datetime = Field(sa_type=DateTime(timezone=True))
    acknowledged_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    reason: str | None = Field(default=None, sa_type=Text)
