"""What the records of a release come to: the release itself, and what is known of its boxes.

Pure: records in, knowledge out. The newest evidence of a box counts; a revoked record does not; an
exemption of two people counts once both have spoken, and only the newest of a box, which revives
none when it is revoked. What is said of a box of a phase that runs after the deployment counts from
when that phase opens, whoever or whatever says it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from engine.readiness.assessment import (
    LOOK_FIRST,
    Contradiction,
    Evidence,
    Exemption,
    Known,
    State,
    Verdict,
)
from engine.readiness.checklist import Checklist, read_checklist
from engine.readiness.items import Dependency, Gate, Item, Kind, attested_items, read_items
from engine.readiness.records import RecordKind, body_of, read_instant
from engine.readiness.tables import ReadinessRecord

# Of the numbers of a look at a gate: the digest of what people vouch for, which their words name.
SEEN: Final = "seen"
_OF_FEEDBACK: Final = "feedback.sign"
_MORE: Final = "There is more since a machine looked"


@dataclass(frozen=True, slots=True)
class Release:
    """A release that is on its way through the phases.

    Attributes:
        id: of its records.
        name: what people call it.
        commit: of the source.
        environment: where it is going.
        planned_from: when it is to be deployed at the earliest; None if not planned.
        planned_until: and at the latest.
        author: who made it, as they are called.
        author_id: of their account; None if they have none.
        maker_id: of the account that put the release down; None if it was done at a terminal.
        deployed_at: when it was; None before that.
        checklist: its own run of the list.
        items: how each box is decided.
    """

    id: UUID
    name: str
    commit: str
    environment: str
    planned_from: datetime | None
    planned_until: datetime | None
    author: str
    author_id: UUID | None
    maker_id: UUID | None
    deployed_at: datetime | None
    checklist: Checklist
    items: Mapping[str, Item]


class SignOff(NamedTuple):
    """Somebody's word for a phase.

    Attributes:
        id: of its record.
        phase_id: of the phase.
        who: as they are called.
        account_id: of their account.
        role: that they had when they signed.
        meaning: reviewed, approved or waived.
        comment: what they had to say.
        signed_at: when.
        seen: the digest of what they saw, with the evidence of each box.
        states: the digest of how the boxes stood.
    """

    id: UUID
    phase_id: str
    who: str
    account_id: UUID | None
    role: str
    meaning: str
    comment: str
    signed_at: datetime
    seen: str
    states: str


@dataclass(frozen=True, slots=True)
class Knowledge:
    """All that is known of a release.

    Attributes:
        release: it.
        evidence: the newest of each box.
        evidence_ids: the record of each.
        gates: of boxes that have one, the newest look of a machine.
        exemptions: those that hold, or wait for a second person.
        exemption_ids: the record of each.
        contradictions: the newest of each box.
        sign_offs: those that were not revoked, oldest first.
    """

    release: Release
    evidence: Mapping[str, Evidence]
    evidence_ids: Mapping[str, UUID]
    gates: Mapping[str, Evidence]
    exemptions: Mapping[str, Exemption]
    exemption_ids: Mapping[str, UUID]
    contradictions: Mapping[str, Contradiction]
    sign_offs: tuple[SignOff, ...]

    def known(self, fingerprints: Mapping[Dependency, str]) -> Known:
        """The same as an assessment takes it."""
        return Known(self.evidence, self.exemptions, self.contradictions, fingerprints)


def knowledge_of(
    records: Sequence[ReadinessRecord],
    carried: Iterable[ReadinessRecord] = (),
    on_call: Collection[str] = (),
) -> Knowledge:
    """What the records of one release come to.

    Args:
        records: all of them, oldest first; the first is the release itself.
        carried: evidence of other releases of the same environment, oldest first. It counts, where
            it is the newest, for boxes that do not depend on the release.
        on_call: the e-mail addresses of those who are, in lower case.

    Raises:
        ValueError: there is no release among them.
        engine.readiness.checklist.ChecklistError: its checklist cannot be read.
    """
    revoked = {UUID(body_of(each)["recordId"]) for each in records if _is(each, "revocation")}
    held = [each for each in records if each.id not in revoked]
    release = _release(held)
    own = [each for each in held if _is(each, RecordKind.EVIDENCE)]
    others = [each for each in carried if _is_carried(each, release)]
    feedback = [each for each in held if _is(each, RecordKind.FEEDBACK)]
    evidence, evidence_ids, gates = _evidence(
        sorted([*others, *own, *feedback], key=lambda each: (each.recorded_at, each.id)),
        release,
        frozenset(on_call),
    )
    exemptions, exemption_ids = _exemptions(records, revoked)
    return Knowledge(
        release,
        evidence,
        evidence_ids,
        gates,
        exemptions,
        exemption_ids,
        {
            each.item_id: Contradiction(each.item_id, body_of(each)["reason"], each.recorded_at)
            for each in held
            if _is(each, RecordKind.CONTRADICTION) and each.item_id is not None
        },
        tuple(_sign_off(each) for each in held if _is(each, RecordKind.SIGN_OFF)),
    )


def _is(record: ReadinessRecord, kind: str) -> bool:
    return record.kind == kind


def _release(records: Sequence[ReadinessRecord]) -> Release:
    first = next((each for each in records if _is(each, RecordKind.RELEASE)), None)
    if first is None:
        raise ValueError("there is no release")
    body = body_of(first)
    deployments = [each for each in records if _is(each, RecordKind.DEPLOYMENT)]
    checklist = read_checklist(body["checklist"])
    items = body["items"]
    return Release(
        id=first.release_id,
        name=body["name"],
        commit=body["commit"],
        environment=body["environment"],
        planned_from=_instant(body["plannedFrom"]),
        planned_until=_instant(body["plannedUntil"]),
        author=body["author"],
        author_id=None if body["authorId"] is None else UUID(body["authorId"]),
        maker_id=first.account_id,
        deployed_at=_instant(body_of(deployments[-1])["deployedAt"]) if deployments else None,
        checklist=checklist,
        items=attested_items(checklist) if items is None else read_items(items, checklist),
    )


def _is_carried(record: ReadinessRecord, release: Release) -> bool:
    item = release.items.get(record.item_id or "")
    if record.release_id == release.id or item is None or _opens(item, release) is not None:
        return False
    body = body_of(record)
    # Of another checklist: what has the same id there may be another box.
    is_alike = body["numbers"].get("probe", item.probe) == item.probe
    return is_alike and Dependency.RELEASE not in item.depends_on and not body["attested"]


def _opens(item: Item, release: Release) -> timedelta | None:
    """How long after the deployment a look or a word counts; None if it does at any time."""
    phase = release.checklist.phase_of(item.id)
    return None if phase.window is None else phase.window.opens


def _evidence(
    records: Sequence[ReadinessRecord], release: Release, on_call: frozenset[str]
) -> tuple[dict[str, Evidence], dict[str, UUID], dict[str, Evidence]]:
    """The newest of each box; of one that people vouch for, what all of them say; and gates."""
    found: dict[str, Evidence] = {}
    ids: dict[str, UUID] = {}
    boxes: dict[str, _Words] = {}
    said_at: datetime | None = None
    for record in records:
        if _is(record, RecordKind.FEEDBACK):
            said_at = record.recorded_at
            for words in boxes.values():
                if words.item.probe == _OF_FEEDBACK and words.item.id in found:
                    found[words.item.id] = words.reopened(_MORE)
            continue
        item = release.items.get(record.item_id or "")
        if item is None:
            continue
        body = body_of(record)
        evidence = Evidence(
            item_id=item.id,
            verdict=Verdict(body["verdict"]),
            reason=body["reason"],
            ended_at=read_instant(body["endedAt"]),
            fingerprints=_fingerprints(body["fingerprints"]),
            digest=record.digest.hex(),
            runner=record.recorded_by,
            numbers=body["numbers"],
            started_at=read_instant(body["startedAt"]),
        )
        words = boxes.setdefault(item.id, _Words(item, on_call))
        if body["attested"]:
            evidence = words.heard(_in_its_time(evidence, item, release), record.account_id)
        else:
            began_at = evidence.began_at
            evidence = words.looked(_in_its_time(evidence, item, release))
            if item.probe == _OF_FEEDBACK and said_at is not None and began_at < said_at:
                # It came while the machine looked, which may have been too late for it.
                evidence = words.reopened(_MORE)
        found[item.id], ids[item.id] = evidence, record.id
    gates = {name: each.gate for name, each in boxes.items() if each.gate is not None}
    return found, ids, gates


def _fingerprints(written: Mapping[str, str]) -> dict[Dependency, str]:
    """Those that this release knows; a later one may have taken others, too."""
    return {Dependency(name): value for name, value in written.items() if name in set(Dependency)}


def _in_its_time(evidence: Evidence, item: Item, release: Release) -> Evidence:
    """The evidence; that of a phase that had not opened says nothing."""
    opens = _opens(item, release)
    if opens is None or evidence.verdict not in {Verdict.PASSING, Verdict.FAILING}:
        return evidence
    if release.deployed_at is None:
        why = "It was looked at or vouched for, but the release is not deployed yet"
    elif evidence.ended_at < release.deployed_at + opens:
        why = "It was looked at or vouched for before its phase had opened"
    else:
        return evidence
    return replace(evidence, verdict=Verdict.UNKNOWN, reason=why)


class _Words:
    """What a machine and people say of one box, in the order in which they said it."""

    def __init__(self, item: Item, on_call: frozenset[str]) -> None:
        self.item = item
        self._on_call = on_call
        self._looked: Evidence | None = None
        # The newest good word of each.
        self._people: dict[object, Evidence] = {}
        # Somebody's word against it, until somebody vouches for it again.
        self._against: Evidence | None = None

    @property
    def gate(self) -> Evidence | None:
        """The newest look, where people vouch only after one."""
        return self._looked if self.item.gate is Gate.LOOK else None

    def looked(self, evidence: Evidence) -> Evidence:
        """A machine has looked.

        At a drill people vouch for this very look, so that they have to anew. Behind a gate they
        vouch for what it has seen, by its digest, which may be the same as before.
        """
        self._looked = evidence
        if self.item.gate is Gate.LOOK:
            return self._gated(evidence)
        self._people = {}
        return self._vouched(evidence) if self._takes_several else evidence

    def heard(self, evidence: Evidence, account_id: UUID | None) -> Evidence:
        """Somebody has spoken; a word against it puts an end to those for it."""
        if evidence.verdict is not Verdict.PASSING:
            self._people, self._against = {}, evidence
            return evidence
        self._people[account_id], self._against = evidence, None
        if self.item.gate is Gate.LOOK:
            return self._gated(evidence)
        if self.item.kind is Kind.ATTESTED:
            return self._vouched(evidence) if self._takes_several else evidence
        if self._looked is None:
            return replace(evidence, verdict=Verdict.UNKNOWN, reason="It was never run")
        return self._vouched(replace(self._looked, digest=evidence.digest))

    def reopened(self, why: str) -> Evidence:
        """What was said since the last look is not known to hold any more: it takes another one."""
        newest = self._looked or next(iter(self._people.values()))
        self._looked = shut = replace(newest, verdict=Verdict.UNKNOWN, reason=why)
        return replace(shut, is_gate_shut=True, is_overtaken=True)

    @property
    def _takes_several(self) -> bool:
        return self.item.signatures > 1 or self.item.is_of_each

    def _gated(self, newest: Evidence) -> Evidence:
        """What people say of what a machine has seen; nothing, until it has seen it."""
        looked = self._looked
        if self._against is not None:
            return self._against
        if looked is None:
            return replace(newest, verdict=Verdict.UNKNOWN, reason=LOOK_FIRST, is_gate_shut=True)
        if looked.verdict is not Verdict.PASSING:
            return replace(looked, is_gate_shut=True)
        return self._vouched(replace(looked, digest=newest.digest, runner=newest.runner))

    def _vouched(self, newest: Evidence) -> Evidence:
        """The newest, which counts once enough people say the same of things as they are."""
        if newest.verdict is not Verdict.PASSING:
            return newest
        same = [each for each in self._people.values() if self._is_alike(each, newest)]
        missing = self._missing(same)
        names = ", ".join(sorted(each.runner for each in same)) or "nobody yet"
        if missing:
            verdict, why = missing
            is_one = not self._takes_several
            said = "Nobody has vouched for it yet" if is_one else f"{why}: {names}"
            seen = "" if self.item.gate is Gate.NONE else f"; {newest.reason}"
            return replace(newest, verdict=verdict, reason=f"{said}{seen}")
        return replace(
            newest,
            reason=f"{self._said(same, newest)} (vouched for by {names})",
            # It is as old as the oldest word that it needs; a look behind it grows no older.
            ended_at=min(each.ended_at for each in [*same, *self._aging(newest)]),
            started_at=min(each.began_at for each in [*same, *self._aging(newest)]),
        )

    def _missing(self, same: Sequence[Evidence]) -> tuple[Verdict, str] | None:
        """Why these words are not enough; None when they are."""
        if self.item.is_of_each:
            spoken = {each.runner.casefold() for each in same}
            count = len(self._on_call & spoken)
            if not self._on_call:
                return Verdict.UNKNOWN, "Nobody is on call, so nobody can vouch for themselves"
            if count < len(self._on_call):
                of = f"{count} of {len(self._on_call)} who are on call"
                return Verdict.INSUFFICIENT, f"{of} have vouched for themselves"
        needed = self.item.signatures
        if len(same) >= needed:
            return None
        return Verdict.INSUFFICIENT, f"{len(same)} of {needed} people have vouched for it"

    def _said(self, same: Sequence[Evidence], newest: Evidence) -> str:
        """In words: what was seen and, of one who vouches for it, what they say."""
        if self.item.gate is Gate.NONE or len(same) > 1:
            return newest.reason
        return f"{same[0].reason}; {newest.reason}"

    def _aging(self, newest: Evidence) -> Sequence[Evidence]:
        return () if self.item.gate is Gate.LOOK else (newest,)

    def _is_alike(self, one: Evidence, two: Evidence) -> bool:
        if self.item.gate is Gate.LOOK and one.numbers.get(SEEN) != two.numbers.get(SEEN):
            return False
        return all(
            one.fingerprints.get(each) == two.fingerprints.get(each)
            for each in self.item.depends_on
        )


def _exemptions(
    records: Sequence[ReadinessRecord], revoked: Collection[UUID]
) -> tuple[dict[str, Exemption], dict[str, UUID]]:
    """The newest of each box; none where that was revoked, whatever was said before it."""
    seconds = {
        UUID(body_of(each)["recordId"]): each
        for each in records
        if _is(each, RecordKind.SECOND) and each.id not in revoked
    }
    found: dict[str, Exemption] = {}
    ids: dict[str, UUID] = {}
    for record in records:
        if record.item_id is None or record.kind not in {
            RecordKind.WAIVER,
            RecordKind.NOT_APPLICABLE,
        }:
            continue
        if record.id in revoked:
            found.pop(record.item_id, None)
            ids.pop(record.item_id, None)
            continue
        body: dict[str, Any] = body_of(record)
        second = seconds.get(record.id)
        found[record.item_id] = Exemption(
            item_id=record.item_id,
            state=State.WAIVED if _is(record, RecordKind.WAIVER) else State.NOT_APPLICABLE,
            reason=body["reason"],
            granted_by=record.recorded_by,
            granted_at=record.recorded_at,
            # Whoever asked cannot be the one who agrees.
            second=None
            if second is None or second.account_id == record.account_id
            else second.recorded_by,
            expires_at=_instant(body.get("expiresAt")),
        )
        ids[record.item_id] = record.id
    return found, ids


def _sign_off(record: ReadinessRecord) -> SignOff:
    body = body_of(record)
    return SignOff(
        id=record.id,
        phase_id=record.phase_id or "",
        who=record.recorded_by,
        account_id=record.account_id,
        role=body["role"],
        meaning=body["meaning"],
        comment=body["comment"],
        signed_at=record.recorded_at,
        seen=body["seen"],
        states=body["states"],
    )


def _instant(written: str | None) -> datetime | None:
    return None if written is None else read_instant(written)
