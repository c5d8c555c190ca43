"""The audit trail: who did what, other than save quotes; append-only, with no secret in it.

An event commits with what it speaks of, or is written on its own when that was refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb
from sqlalchemy import insert

from engine.access.tables import AuditEvent
from engine.clock import Clock
from engine.correlation import make_correlation_id
from engine.database.sql import Statement, parameter, table_of
from engine.errors import ErrorCode

_event = table_of(AuditEvent)
_INSERT: Final = Statement(
    insert(_event).values({each.name: parameter(_event, each.name) for each in _event.c})
)


class Action(StrEnum):
    """What is written down."""

    SIGNED_IN = "signed in"
    SIGNED_OUT = "signed out"
    SIGN_INS_ENDED = "sign-ins ended"
    PASSWORD_SET = "password set"  # noqa: S105  # no password
    ACCOUNT_ADDED = "account added"
    ACCOUNT_DISABLED = "account disabled"
    ACCOUNT_ENABLED = "account enabled"
    ROLE_CHANGED = "role changed"
    AGENT_ADDED = "agent added"
    LIMIT_CHANGED = "limit changed"
    AGENT_STATUS_CHANGED = "agent status changed"
    CLIENT_ADDED = "client added"
    KEY_ADDED = "key added"
    KEY_ROTATED = "key rotated"
    KEY_REVOKED = "key revoked"
    SETTINGS_CHANGED = "settings changed"
    PERSONAL_DATA_VIEWED = "personal data viewed"
    LEDGER_EXPORTED = "ledger exported"
    RELEASE_MADE = "release made"
    RELEASE_DEPLOYED = "release deployed"
    BOX_ATTESTED = "box attested"
    BOX_EXEMPTED = "box exempted"
    EXEMPTION_SECONDED = "exemption seconded"
    PHASE_SIGNED = "phase signed"
    RECORD_REVOKED = "record revoked"
    CONTACTS_CHANGED = "contacts changed"
    PROBE_RUN = "probe run"
    FEEDBACK_ADDED = "feedback added"
    CANDIDATE_DISPOSED = "candidate disposed"
    SILENCE_ADDED = "silence added"
    SILENCE_ENDED = "silence ended"
    ALERT_ACKNOWLEDGED = "alert acknowledged"
    RULE_CHANGED = "rule changed"
    CHANNEL_TESTED = "channel tested"
    # A call that reads, or an address that does not exist; a save has its row in the ledger.
    CALL_REFUSED = "call refused"
    PAGE_REFUSED = "page refused"


class Way(StrEnum):
    """Where it was done."""

    PAGE = "page"
    TERMINAL = "terminal"
    API = "API"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, as the trail will name them.

    Attributes:
        account_id: None for somebody at a terminal of the machine, and for nobody known.
        name: an e-mail address, or the user of the machine.
        way: where.
        address: of the network; None where there is none.
        correlation_id: of the request, or made for this one action.
    """

    account_id: UUID | None
    name: str
    way: Way
    address: str | None
    correlation_id: str


@dataclass(frozen=True, slots=True)
class Subject:
    """What something was done to.

    Attributes:
        kind: account, agent, api_key, quote, …
        id: of that.
    """

    kind: str
    id: str


def terminal_actor(clock: Clock, user: str) -> Actor:
    """Whoever runs a command: they have the database itself, so no role is asked for.

    Args:
        clock: for an id.
        user: name of the machine's user.
    """
    return Actor(None, user, Way.TERMINAL, None, make_correlation_id(clock.uuid7()))


def event(
    clock: Clock,
    actor: Actor,
    action: Action,
    *,
    subject: Subject | None = None,
    refused: ErrorCode | None = None,
    details: Mapping[str, Any] | None = None,
) -> AuditEvent:
    """One event, as it happens now.

    Args:
        clock: for its instant and id.
        actor: who.
        action: what.
        subject: to what.
        refused: why it was not done; None when it was.
        details: facts in JSON's own types, never a secret or personal data.
    """
    return AuditEvent(
        id=clock.uuid7(),
        happened_at=clock.now(),
        action=action.value,
        outcome="done" if refused is None else "refused",
        error_code=None if refused is None else refused.value,
        account_id=actor.account_id,
        actor=actor.name,
        way=actor.way.value,
        address=actor.address,
        subject_kind=None if subject is None else subject.kind,
        subject_id=None if subject is None else subject.id,
        correlation_id=actor.correlation_id,
        details=dict(details or {}),
    )


def write(connection: psycopg.Connection[Any], happened: AuditEvent) -> None:
    """Writes an event down, in the connection's transaction if it has one.

    Raises:
        psycopg.Error: it could not be; what it speaks of must not be done then.
    """
    values = happened.model_dump()
    _INSERT.run(connection, values | {"details": Jsonb(happened.details)})
