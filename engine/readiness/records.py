"""Records: the facts about a release, each with a digest over all of it, in the order they came.

A record is never changed. What was wrong is revoked by another record; what is known of a release
is what all of its records come to (`knowledge`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlmodel import Session, col, select

from engine.access.audit import Actor
from engine.clock import Clock
from engine.readiness.tables import ReadinessRecord
from engine.readiness.verifier import record_digest

_INSTANT: Final = "%Y-%m-%dT%H:%M:%S.%fZ"


class RecordKind(StrEnum):
    """What a record says."""

    RELEASE = "release"
    DEPLOYMENT = "deployment"
    EVIDENCE = "evidence"
    CONTRADICTION = "contradiction"
    WAIVER = "waiver"
    NOT_APPLICABLE = "n/a"
    SECOND = "second"
    SIGN_OFF = "sign-off"
    REVOCATION = "revocation"
    CONTACTS = "contacts"
    RISKS = "risks"
    FEEDBACK = "feedback"
    DISPOSITION = "disposition"


def put_down(
    session: Session,
    clock: Clock,
    actor: Actor,
    kind: RecordKind,
    release_id: UUID,
    body: Mapping[str, Any],
    *,
    item_id: str | None = None,
    phase_id: str | None = None,
) -> ReadinessRecord:
    """Adds a record, to be committed with the session.

    Args:
        session: of the transaction that it is part of.
        clock: for its id and instant.
        actor: who puts it down.
        kind: what it says.
        release_id: of which release.
        body: the facts, in JSON's own types.
        item_id: of a box.
        phase_id: of a phase.
    """
    record = ReadinessRecord(
        id=clock.uuid7(),
        release_id=release_id,
        kind=kind.value,
        item_id=item_id,
        phase_id=phase_id,
        recorded_at=clock.now(),
        recorded_by=actor.name,
        account_id=actor.account_id,
        body=json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")),
        digest=b"",
    )
    record.digest = bytes.fromhex(record_digest(as_bundled(record)))
    session.add(record)
    session.flush()
    return record


def records_of(session: Session, release_id: UUID) -> Sequence[ReadinessRecord]:
    """The records of a release, oldest first."""
    return session.exec(
        select(ReadinessRecord)
        .where(col(ReadinessRecord.release_id) == release_id)
        .order_by(col(ReadinessRecord.recorded_at), col(ReadinessRecord.id))
    ).all()


def records_of_kind(session: Session, kind: RecordKind) -> Sequence[ReadinessRecord]:
    """The records of a kind, of all releases, oldest first."""
    return session.exec(
        select(ReadinessRecord)
        .where(col(ReadinessRecord.kind) == kind.value)
        .order_by(col(ReadinessRecord.recorded_at), col(ReadinessRecord.id))
    ).all()


def body_of(record: ReadinessRecord) -> dict[str, Any]:
    """The facts of a record."""
    body: dict[str, Any] = json.loads(record.body)
    return body


def as_bundled(record: ReadinessRecord) -> dict[str, Any]:
    """A record as a bundle holds it, and as its digest is made of it."""
    return {
        "id": str(record.id),
        "releaseId": str(record.release_id),
        "kind": record.kind,
        "itemId": record.item_id,
        "phaseId": record.phase_id,
        "recordedAt": written_instant(record.recorded_at),
        "recordedBy": record.recorded_by,
        "accountId": None if record.account_id is None else str(record.account_id),
        "body": record.body,
        "digest": record.digest.hex(),
    }


def written_instant(instant: datetime) -> str:
    """An instant as records write it: UTC, to the microsecond, always as long."""
    return instant.astimezone(UTC).strftime(_INSTANT)


def read_instant(written: str) -> datetime:
    """The instant that was written."""
    return datetime.strptime(written, _INSTANT).replace(tzinfo=UTC)
