"""How the phases of a release stand, and the digest of what somebody sees of one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from engine.readiness.assessment import Standing, State
from engine.readiness.checklist import Phase
from engine.readiness.knowledge import Knowledge, SignOff


class Meaning(StrEnum):
    """What a signature under a phase says."""

    REVIEWED = "reviewed"
    APPROVED = "approved"
    # Approved although boxes are waived or do not apply, which the signer has seen.
    WAIVED = "approved with waivers"


class WindowState(StrEnum):
    """Where a phase is in time."""

    NONE = "not bound to a time"
    WAITING = "opens later"
    OPEN = "open"
    CLOSED = "over"


@dataclass(frozen=True, slots=True)
class PhaseStanding:
    """How a phase stands.

    Attributes:
        phase: it.
        counts: boxes by state; every state is there.
        settled: boxes that are green, waived, or do not apply.
        total: boxes.
        blocking: boxes that keep it from being signed, worst first.
        seen: the digest of the boxes with their evidence, which a signature is bound to.
        states: the digest of how the boxes stand, whatever evidence says so.
        sign_offs: that were not revoked, oldest first.
        window: where it is in time.
        opens_at: None without a deployment or a window.
        closes_at: None where it does not close.
    """

    phase: Phase
    counts: Mapping[State, int]
    settled: int
    total: int
    blocking: tuple[str, ...]
    seen: str
    states: str
    sign_offs: tuple[SignOff, ...]
    window: WindowState
    opens_at: datetime | None
    closes_at: datetime | None

    @property
    def is_settled(self) -> bool:
        """Whether nothing keeps it from being approved."""
        return not self.blocking

    @property
    def exempt(self) -> int:
        """Boxes that are waived or do not apply: settled, and not proved."""
        return self.counts[State.WAIVED] + self.counts[State.NOT_APPLICABLE]

    @property
    def is_in_time(self) -> bool:
        """Whether its time has come to be approved: once it is over, or has begun if it has no end.

        Before that nobody can know how it went.
        """
        if self.window is WindowState.OPEN:
            return self.closes_at is None
        return self.window is not WindowState.WAITING

    @property
    def is_signed_off(self) -> bool:
        """Whether somebody has approved it, and every box still stands as it did then.

        Evidence that was taken anew and says the same leaves an approval as it is; a box that
        stands otherwise does not.
        """
        return self.is_settled and any(
            each.meaning != Meaning.REVIEWED and each.states == self.states
            for each in self.sign_offs
        )


def phase_standings(
    knowledge: Knowledge, standings: Mapping[str, Standing], now: datetime
) -> tuple[PhaseStanding, ...]:
    """How every phase of a release stands.

    Args:
        knowledge: of the release.
        standings: of its boxes.
        now: an aware instant.
    """
    return tuple(
        _phase(phase, knowledge, standings, now) for phase in knowledge.release.checklist.phases
    )


def digest_of(
    phase: Phase,
    standings: Mapping[str, Standing],
    exemption_ids: Mapping[str, UUID],
    *,
    has_evidence: bool,
) -> str:
    """SHA-256 over the boxes of a phase: their words, how they stand, and what exempts them.

    Args:
        phase: it.
        standings: of its boxes.
        exemption_ids: the record of the newest exemption of each. One that does not count yet is
            seen by a signer, and changes nothing in how a box stands.
        has_evidence: whether which evidence says so is part of it.
    """
    lines = []
    for box in phase.boxes:
        standing = standings[box.id]
        evidence = standing.evidence if has_evidence else None
        digest = "" if evidence is None else evidence.digest
        is_exempt = standing.state in {State.WAIVED, State.NOT_APPLICABLE}
        exemption = exemption_ids.get(box.id, "") if has_evidence or is_exempt else ""
        lines.append("\x1f".join((box.id, box.text, standing.state.value, digest, str(exemption))))
    return hashlib.sha256("\x1e".join([phase.id, *lines]).encode()).hexdigest()


def _phase(
    phase: Phase, knowledge: Knowledge, standings: Mapping[str, Standing], now: datetime
) -> PhaseStanding:
    counts = dict.fromkeys(State, 0)
    for box in phase.boxes:
        counts[standings[box.id].state] += 1
    order = list(State)
    blocking = sorted(
        (box.id for box in phase.boxes if not standings[box.id].state.is_settled),
        key=lambda box_id: order.index(standings[box_id].state),
    )
    opens_at, closes_at, window = _in_time(phase, knowledge.release.deployed_at, now)
    return PhaseStanding(
        phase=phase,
        counts=counts,
        settled=len(phase.boxes) - len(blocking),
        total=len(phase.boxes),
        blocking=tuple(blocking),
        seen=digest_of(phase, standings, knowledge.exemption_ids, has_evidence=True),
        states=digest_of(phase, standings, knowledge.exemption_ids, has_evidence=False),
        sign_offs=tuple(each for each in knowledge.sign_offs if each.phase_id == phase.id),
        window=window,
        opens_at=opens_at,
        closes_at=closes_at,
    )


def _in_time(
    phase: Phase, deployed_at: datetime | None, now: datetime
) -> tuple[datetime | None, datetime | None, WindowState]:
    if phase.window is None:
        return None, None, WindowState.NONE
    if deployed_at is None:
        return None, None, WindowState.WAITING
    opens_at = deployed_at + phase.window.opens
    closes_at = None if phase.window.closes is None else deployed_at + phase.window.closes
    if now < opens_at:
        return opens_at, closes_at, WindowState.WAITING
    is_over = closes_at is not None and now >= closes_at
    return opens_at, closes_at, WindowState.CLOSED if is_over else WindowState.OPEN
