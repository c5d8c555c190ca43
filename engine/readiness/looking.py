"""The readiness of a release as it is now: its records, read and assessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session, col, select

from engine.readiness.assessment import Standing, assess
from engine.readiness.contacts import evidence_against, roster_of
from engine.readiness.items import Dependency, Item, Kind
from engine.readiness.knowledge import Knowledge, Release, knowledge_of
from engine.readiness.probes.absent import ABSENT
from engine.readiness.records import RecordKind, body_of, records_of_kind
from engine.readiness.standing import PhaseStanding, phase_standings
from engine.readiness.tables import ReadinessRecord


@dataclass(frozen=True, slots=True)
class Readiness:
    """A release, as it stands.

    Attributes:
        knowledge: what its records come to.
        standings: of every box.
        phases: of every phase, in their order.
        read_at: when.
    """

    knowledge: Knowledge
    standings: Mapping[str, Standing]
    phases: tuple[PhaseStanding, ...]
    read_at: datetime

    @property
    def release(self) -> Release:
        """The release."""
        return self.knowledge.release

    def phase(self, phase_id: str) -> PhaseStanding | None:
        """One of its phases; None if it has none of this name."""
        return next((each for each in self.phases if each.phase.id == phase_id), None)


def releases(session: Session) -> Sequence[ReadinessRecord]:
    """The records of the releases that there are, newest first."""
    return list(records_of_kind(session, RecordKind.RELEASE))[::-1]


def read_release(session: Session, release_id: UUID) -> Release | None:
    """A release itself; None when there is none with this id."""
    records = _of_kinds(session, release_id, [RecordKind.RELEASE, RecordKind.DEPLOYMENT])
    if not any(each.kind == RecordKind.RELEASE for each in records):
        return None
    return knowledge_of(records).release


def look(
    session: Session,
    release_id: UUID,
    fingerprints: Mapping[Dependency, str],
    now: datetime,
) -> Readiness | None:
    """A release as it stands; None when there is none with this id.

    Args:
        session: to read with.
        release_id: which.
        fingerprints: of things as they are now, see `fingerprints`.
        now: an aware instant.
    """
    release = read_release(session, release_id)
    if release is None:
        return None
    roster = roster_of(session, release.environment)
    knowledge = knowledge_of(
        records_that_count(session, release), _carried(session, release), roster.on_call
    )
    known = knowledge.known(fingerprints)
    against = evidence_against(roster, release.items)
    known = replace(known, evidence={**known.evidence, **against})
    standings = assess(release.items, known, now, ABSENT)
    return Readiness(knowledge, standings, phase_standings(knowledge, standings, now), now)


def records_that_count(session: Session, release: Release) -> Sequence[ReadinessRecord]:
    """The records of a release without the looks that a newer one has replaced, oldest first.

    A box that is looked at every two minutes has a thousand in two days, of which one counts.
    """
    others = _of_kinds(
        session, release.id, [each for each in RecordKind if each is not RecordKind.EVIDENCE]
    )
    looked_at = [each.id for each in release.items.values() if _is_replaced(each)]
    spoken_of = session.exec(
        select(ReadinessRecord).where(
            col(ReadinessRecord.release_id) == release.id,
            col(ReadinessRecord.kind) == RecordKind.EVIDENCE.value,
            col(ReadinessRecord.item_id).in_(
                [each.id for each in release.items.values() if not _is_replaced(each)]
            ),
        )
    ).all()
    newest = _newest(session, [release.id], looked_at)
    return _in_order([*others, *spoken_of, *newest])


def _carried(session: Session, release: Release) -> Sequence[ReadinessRecord]:
    """The newest evidence of each other release of the same environment, oldest first."""
    others = [
        each.release_id
        for each in records_of_kind(session, RecordKind.RELEASE)
        if each.release_id != release.id and body_of(each)["environment"] == release.environment
    ]
    boxes = [
        each.id
        for each in release.items.values()
        if _is_replaced(each) and Dependency.RELEASE not in each.depends_on
    ]
    return _in_order(_newest(session, others, boxes))


def _is_replaced(item: Item) -> bool:
    """Whether of a box's evidence the newest alone counts: no person's word is part of it."""
    return item.kind in {Kind.AUTOMATIC, Kind.DRILL} and item.signatures == 1


def _of_kinds(
    session: Session, release_id: UUID, kinds: Sequence[RecordKind]
) -> Sequence[ReadinessRecord]:
    return session.exec(
        select(ReadinessRecord)
        .where(
            col(ReadinessRecord.release_id) == release_id,
            col(ReadinessRecord.kind).in_([each.value for each in kinds]),
        )
        .order_by(col(ReadinessRecord.recorded_at), col(ReadinessRecord.id))
    ).all()


def _newest(
    session: Session, release_ids: Sequence[UUID], boxes: Sequence[str]
) -> Sequence[ReadinessRecord]:
    if not release_ids or not boxes:
        return ()
    ids = session.execute(_NEWEST, {"releases": list(release_ids), "boxes": list(boxes)}).scalars()
    return session.exec(select(ReadinessRecord).where(col(ReadinessRecord.id).in_(ids.all()))).all()


def _in_order(records: Iterable[ReadinessRecord]) -> list[ReadinessRecord]:
    return sorted(records, key=lambda each: (each.recorded_at, each.id))


# The newest look at each box in each release; one step down the index for each.
_NEWEST: Final = text("""
    SELECT newest.id
    FROM unnest(CAST(:releases AS uuid[])) AS release (id)
    CROSS JOIN unnest(CAST(:boxes AS text[])) AS box (id)
    CROSS JOIN LATERAL (
        SELECT record.id
        FROM readiness_record AS record
        WHERE record.release_id = release.id AND record.kind = 'evidence'
            AND record.item_id = box.id
        ORDER BY record.recorded_at DESC, record.id DESC
        LIMIT 1
    ) AS newest
""")
