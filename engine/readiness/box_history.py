"""What was put down of a box, newest first: looks, words, exemptions, and what was taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlmodel import Session, col, or_, select

from engine.readiness.records import RecordKind, body_of
from engine.readiness.tables import ReadinessRecord

_SHOWN: Final = 30


@dataclass(frozen=True, slots=True)
class Said:
    """One record of a box.

    Attributes:
        id: of the record.
        kind: what it says, in a word.
        recorded_at: when.
        recorded_by: who or what.
        verdict: what a look came to; empty for what is none.
        words: the reason.
        witness: what anybody can look at again; empty for a person's word.
        digest: of the whole record.
        is_own: whether it is of this release, and not carried over from another.
        is_revoked: whether it was taken back.
        can_be_revoked: whether it is somebody's word that can be.
    """

    id: UUID
    kind: str
    recorded_at: datetime
    recorded_by: str
    verdict: str
    words: str
    witness: str
    digest: str
    is_own: bool
    is_revoked: bool
    can_be_revoked: bool


def box_history(
    session: Session, release_id: UUID, item_id: str, evidence_id: UUID | None
) -> tuple[Said, ...]:
    """The newest records of a box.

    Args:
        session: to read with.
        release_id: of which release.
        item_id: of which box.
        evidence_id: the record that its state comes from, which may be another release's.
    """
    records = session.exec(
        select(ReadinessRecord)
        .where(
            or_(
                (col(ReadinessRecord.release_id) == release_id)
                & (col(ReadinessRecord.item_id) == item_id),
                col(ReadinessRecord.id) == evidence_id,
            )
        )
        .order_by(col(ReadinessRecord.recorded_at).desc(), col(ReadinessRecord.id).desc())
        .limit(_SHOWN)
    ).all()
    revoked = {body_of(each)["recordId"] for each in records if each.kind == RecordKind.REVOCATION}
    return tuple(_said(each, release_id, revoked) for each in records)


def _said(record: ReadinessRecord, release_id: UUID, revoked: set[str]) -> Said:
    body = body_of(record)
    is_own, is_revoked = record.release_id == release_id, str(record.id) in revoked
    is_word = record.kind in _WORDS or bool(body.get("attested"))
    return Said(
        id=record.id,
        kind=", ".join(_named(record, body, is_own=is_own)),
        recorded_at=record.recorded_at,
        recorded_by=record.recorded_by,
        verdict=body.get("verdict", ""),
        words=body.get("reason", ""),
        witness=body.get("witness", ""),
        digest=record.digest.hex(),
        is_own=is_own,
        is_revoked=is_revoked,
        can_be_revoked=is_own and is_word and not is_revoked,
    )


def _named(record: ReadinessRecord, body: dict[str, Any], *, is_own: bool) -> Iterator[str]:
    yield "somebody's word" if body.get("attested") else _KINDS.get(record.kind, record.kind)
    if not is_own:
        yield "of another release"


_WORDS: Final = frozenset(
    {RecordKind.WAIVER.value, RecordKind.NOT_APPLICABLE.value, RecordKind.SECOND.value}
)
_KINDS: Final = {
    RecordKind.EVIDENCE.value: "look",
    RecordKind.SECOND.value: "agreed to a waiver",
    RecordKind.NOT_APPLICABLE.value: "does not apply",
    RecordKind.REVOCATION.value: "taken back",
    RecordKind.CONTRADICTION.value: "reopened",
}
