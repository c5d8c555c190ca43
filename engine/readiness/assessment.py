"""How every box stands, and why: a pure function of what is known and the time.

A box is green only while evidence says so, of this release and of things as they are now. Nothing
known is unknown, never green; what is older than its age, or speaks of another schema, is stale;
a fact that came later and says the contrary reopens it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from engine.readiness.items import Dependency, Gate, Item, Kind


class Verdict(StrEnum):
    """What a look at the system came to."""

    PASSING = "passing"
    FAILING = "failing"
    INSUFFICIENT = "insufficient data"
    UNKNOWN = "unknown"


class State(StrEnum):
    """How a box stands, the worst first."""

    FAILING = "failing"
    STALE = "stale"
    INSUFFICIENT = "insufficient data"
    UNKNOWN = "unknown"
    WAIVED = "waived"
    NOT_APPLICABLE = "n/a"
    PASSING = "passing"

    @property
    def is_settled(self) -> bool:
        """Whether it no longer keeps anybody from signing."""
        return self in {State.PASSING, State.WAIVED, State.NOT_APPLICABLE}


# Why nobody can vouch for a box yet.
NO_GATE: Final = "Nobody can vouch for it yet: its machine gate is not there"
LOOK_FIRST: Final = "A machine has to look first, then people vouch for it"
_GATES: Final = {Gate.ABSENT: NO_GATE, Gate.LOOK: LOOK_FIRST}
_WORD_ALONE: Final = "vouched for; its machine gate is not there yet"
# Clocks of one system are that close; evidence of a time to come would stay fresh for longer.
_AHEAD_MAX: Final = timedelta(minutes=1)
_AHEAD: Final = "It was looked at in the future: its clock was ahead"
# The worst state of many is the one that comes first here.
_WORST = tuple(State)


@dataclass(frozen=True, slots=True)
class Evidence:
    """The newest look at a box, or somebody's word for it.

    Attributes:
        item_id: of the box.
        verdict: what it came to.
        reason: in a sentence.
        ended_at: when it was over.
        fingerprints: of what it depends on, as they were then.
        digest: SHA-256 of the whole record.
        runner: who or what looked.
        numbers: what was measured.
        is_gate_shut: whether no word helps until a machine sees something else.
        is_overtaken: whether there is more since, so that it would.
        started_at: when it began; None where that is when it was over.
    """

    item_id: str
    verdict: Verdict
    reason: str
    ended_at: datetime
    fingerprints: Mapping[Dependency, str]
    digest: str
    runner: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    is_gate_shut: bool = False
    is_overtaken: bool = False
    started_at: datetime | None = None

    @property
    def began_at(self) -> datetime:
        """From when on something may have happened that it did not see."""
        return self.ended_at if self.started_at is None else min(self.started_at, self.ended_at)


@dataclass(frozen=True, slots=True)
class Exemption:
    """A box that is not asked for: waived until some time, or of no meaning for a release.

    Attributes:
        item_id: of the box.
        state: WAIVED or NOT_APPLICABLE.
        reason: why.
        granted_by: who.
        granted_at: when.
        second: who else; where one is needed (`needs_second`), it does not count without.
        expires_at: None for a box that does not apply.
    """

    item_id: str
    state: State
    reason: str
    granted_by: str
    granted_at: datetime
    second: str | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A fact that says the contrary of what evidence says.

    Attributes:
        item_id: of the box that it reopens.
        reason: what happened.
        seen_at: when.
    """

    item_id: str
    reason: str
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a release.

    Attributes:
        evidence: the newest of each box.
        exemptions: those that were not revoked.
        contradictions: the newest of each box.
        fingerprints: of things as they are now.
    """

    evidence: Mapping[str, Evidence]
    exemptions: Mapping[str, Exemption]
    contradictions: Mapping[str, Contradiction]
    fingerprints: Mapping[Dependency, str]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a box stands.

    Attributes:
        item: how it is decided.
        state: where it stands.
        reason: why, in a sentence.
        evidence: the newest; None if there is none.
        blocked_by: of a derived box, those that keep it from being green.
        stale_at: when its evidence will be too old; None if it will not, or is no evidence.
        rests_on: of a derived box, those that it comes down to, however deep, by how they stand.
    """

    item: Item
    state: State
    reason: str
    evidence: Evidence | None
    blocked_by: tuple[str, ...] = ()
    stale_at: datetime | None = None
    rests_on: Mapping[str, State] = field(default_factory=dict)

    @property
    def leaves(self) -> Mapping[str, State]:
        """What it comes down to: itself, unless it is derived."""
        return self.rests_on or {self.item.id: self.state}


def assess(
    items: Mapping[str, Item],
    known: Known,
    now: datetime,
    absent: Mapping[str, str] = MappingProxyType({}),
) -> Mapping[str, Standing]:
    """How every box stands.

    Args:
        items: how each is decided.
        known: of this release.
        now: an aware instant.
        absent: probe → why there is nothing yet that looks; the reason of boxes never looked at.
    """
    standings: dict[str, Standing] = {}

    def stand(item_id: str) -> Standing:
        if item_id not in standings:
            item = items[item_id]
            standings[item_id] = (
                _derived(item, [stand(each) for each in item.of], known, now)
                if item.kind is Kind.DERIVED
                else _decided(item, known, now, absent)
            )
        return standings[item_id]

    return {item_id: stand(item_id) for item_id in items}


def counts(standings: Mapping[str, Standing]) -> Mapping[State, int]:
    """How many boxes stand how; every state is there."""
    found = dict.fromkeys(State, 0)
    for standing in standings.values():
        found[standing.state] += 1
    return found


def _decided(item: Item, known: Known, now: datetime, absent: Mapping[str, str]) -> Standing:
    exempt = _exempt(item, known, now)
    evidence = known.evidence.get(item.id)
    if exempt is not None and not _is_refuted(exempt, evidence):
        return Standing(item, exempt.state, _exempt_reason(exempt), evidence)
    if evidence is None:
        why = absent.get(item.probe or "", _NEVER[item.kind])
        return Standing(item, State.UNKNOWN, _GATES.get(item.gate, why), None)
    state, reason = _said(item, evidence, known, now)
    age = item.age if state is State.PASSING else None
    stale_at = None if age is None else evidence.ended_at + age
    return Standing(item, state, reason, evidence, stale_at=stale_at)


def _said(item: Item, evidence: Evidence, known: Known, now: datetime) -> tuple[State, str]:
    """What the newest evidence of a box comes to now, and why."""
    if evidence.ended_at > now + _AHEAD_MAX:
        return State.UNKNOWN, _AHEAD
    if evidence.verdict is not Verdict.PASSING:
        return _UNPROVED[evidence.verdict], evidence.reason
    reopened = known.contradictions.get(item.id)
    if reopened is not None and reopened.seen_at > evidence.began_at:
        return State.FAILING, f"Reopened: {reopened.reason}"
    why_stale = _why_stale(item, evidence, known.fingerprints, now)
    if why_stale is not None:
        return State.STALE, why_stale
    if item.gate is Gate.ABSENT:
        return State.UNKNOWN, NO_GATE
    is_word_alone = (
        item.kind is Kind.ATTESTED and item.probe is not None and item.gate is not Gate.LOOK
    )
    return State.PASSING, f"{evidence.reason} ({_WORD_ALONE})" if is_word_alone else evidence.reason


def _derived(item: Item, parts: Sequence[Standing], known: Known, now: datetime) -> Standing:
    exempt = _exempt(item, known, now)
    if exempt is not None:
        return Standing(item, exempt.state, _exempt_reason(exempt), None)
    leaves: dict[str, State] = {}
    for each in parts:
        leaves |= each.leaves
    state, reason, blocked_by = _follows(parts, leaves)
    return Standing(item, state, reason, None, blocked_by, rests_on=leaves)


def _follows(
    parts: Sequence[Standing], leaves: Mapping[str, State]
) -> tuple[State, str, tuple[str, ...]]:
    """State, reason and what blocks, of a box that follows from others and what they rest on."""
    blocking = [each for each in parts if not each.state.is_settled]
    if blocking:
        worst = min((each.state for each in blocking), key=_WORST.index)
        names = tuple(each.item.id for each in blocking)
        return worst, f"{len(names)} of {len(parts)} not settled", names
    apart = sum(each is State.NOT_APPLICABLE for each in leaves.values())
    if apart == len(leaves):
        return State.NOT_APPLICABLE, "None of what it follows from applies", ()
    waived = sum(each is State.WAIVED for each in leaves.values())
    without = f"; {apart} of {len(leaves)} do not apply" if apart else ""
    if waived:
        return State.WAIVED, f"{waived} of {len(leaves)} waived, none open{without}", ()
    return State.PASSING, f"All {len(leaves)} are settled{without}", ()


def needs_second(item: Item, exemption: Exemption) -> bool:
    """Whether an exemption counts only once somebody else has agreed."""
    return exemption.state is State.WAIVED or not is_for_one(item)


def is_for_one(item: Item) -> bool:
    """Whether one person alone says that a box does not apply.

    Not where a machine would have decided it, nor where several people would: else one of them
    would speak for the others.
    """
    return item.kind is Kind.ATTESTED and item.signatures == 1 and not item.is_of_each


def waits_for_second(item: Item, exemption: Exemption, now: datetime) -> bool:
    """Whether it would count if somebody else agreed."""
    is_over = exemption.expires_at is not None and exemption.expires_at <= now
    return needs_second(item, exemption) and exemption.second is None and not is_over


def _exempt(item: Item, known: Known, now: datetime) -> Exemption | None:
    found = known.exemptions.get(item.id)
    if found is None or (found.expires_at is not None and found.expires_at <= now):
        return None
    return None if needs_second(item, found) and found.second is None else found


def _is_refuted(exempt: Exemption, evidence: Evidence | None) -> bool:
    """Whether a box that is said not to apply was looked at since, and is red: it does apply."""
    is_red = evidence is not None and evidence.verdict is Verdict.FAILING
    return is_red and exempt.state is State.NOT_APPLICABLE


def _exempt_reason(exempt: Exemption) -> str:
    return exempt.reason


def _why_stale(
    item: Item,
    evidence: Evidence,
    fingerprints: Mapping[Dependency, str],
    now: datetime,
) -> str | None:
    changed = sorted(
        each.value
        for each in item.depends_on
        if evidence.fingerprints.get(each) != fingerprints.get(each)
        or fingerprints.get(each) is None
    )
    if changed:
        return f"What it speaks of has changed since: {', '.join(changed)}"
    if item.age is not None and now - evidence.ended_at >= item.age:
        return f"Older than {_words(item.age)}"
    return None


def _words(age: timedelta) -> str:
    seconds = int(age.total_seconds())
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length and seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds"


_NEVER = {
    Kind.AUTOMATIC: "Never looked at for this release",
    Kind.DRILL: "Not run for this release",
    Kind.ATTESTED: "Nobody has vouched for it",
}
_UNPROVED = {
    Verdict.FAILING: State.FAILING,
    Verdict.INSUFFICIENT: State.INSUFFICIENT,
    Verdict.UNKNOWN: State.UNKNOWN,
}
