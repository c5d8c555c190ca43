"""The readiness of a release as it is now: its records, read and assessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from engine.readiness.assessment import Standing, assess
from engine.readiness.items import Dependency
from engine.readiness.knowledge import Knowledge, Release, knowledge_of
from engine.readiness.probes.absent import ABSENT
from engine.readiness.records import RecordKind, body_of, records_of, records_of_kind
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
    records = records_of(session, release_id)
    if not any(each.kind == RecordKind.RELEASE for each in records):
        return None
    knowledge = knowledge_of(records, _carried(session, records))
    standings = assess(knowledge.release.items, knowledge.known(fingerprints), now, ABSENT)
    return Readiness(knowledge, standings, phase_standings(knowledge, standings, now), now)


def _carried(session: Session, records: Sequence[ReadinessRecord]) -> Sequence[ReadinessRecord]:
    """Evidence of the other releases of the same environment, oldest first."""
    own = next(each for each in records if each.kind == RecordKind.RELEASE)
    environment = body_of(own)["environment"]
    others = [
        each.release_id
        for each in records_of_kind(session, RecordKind.RELEASE)
        if each.release_id != own.release_id and body_of(each)["environment"] == environment
    ]
    if not others:
        return ()
    return session.exec(
        select(ReadinessRecord)
        .where(
            col(ReadinessRecord.release_id).in_(others),
            col(ReadinessRecord.kind) == RecordKind.EVIDENCE.value,
        )
        .order_by(col(ReadinessRecord.recorded_at), col(ReadinessRecord.id))
    ).all()
