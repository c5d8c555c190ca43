"""What people say of a release: sign a phase, vouch for a box, exempt one, agree, take it back.

Each asks for the role at the moment of writing, is bound to what was seen, and adds a record; none
is ever changed. So two who sign at the same moment leave a record each.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlmodel import Session, col, select

from engine.access.audit import Action, Actor, Subject
from engine.access.permits import Permit
from engine.access.roles import Permission
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.readiness.assessment import LOOK_FIRST, NO_GATE, State, Verdict
from engine.readiness.contacts import roster_of
from engine.readiness.items import Dependency, Gate, Item, Kind
from engine.readiness.knowledge import SEEN
from engine.readiness.looking import Readiness
from engine.readiness.records import RecordKind, body_of, put_down, written_instant
from engine.readiness.standing import Meaning, PhaseStanding
from engine.readiness.tables import ReadinessRecord

# A waiver is for getting by, not for good.
WAIVER_MAX: Final = timedelta(days=30)
_WORDS_MAX: Final = 2_000

_AUTHOR: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED, "Whoever made a release does not sign it; nothing was put down."
)
_NO_AUTHOR: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED,
    "This release has no known author, so that anybody may be: nobody approves it; nothing was put"
    " down.",
)
_NOBODY: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED,
    "A signature is somebody's: sign on the page, as yourself; nothing was put down.",
)
_NOT_ASKED: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED,
    "Each who is on call vouches for themselves, and you are not among the contacts; nothing was"
    " put down.",
)
_SOMEBODY_ELSE: Final = Refusal(
    ErrorCode.AUTHORIZATION_FAILED, "Somebody else has to agree; nothing was put down."
)
_NO_PHASE, _NO_BOX, _NO_WAIVER, _NO_RECORD = (
    Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, why)
    for why in (
        "There is no such phase.",
        "There is no such box.",
        "There is no such waiver.",
        "There is nothing of this id that can be taken back.",
    )
)
_CHANGED: Final = Refusal(
    ErrorCode.QUOTE_CONFLICT_VERSION,
    "What you saw has changed since; look again, then decide.",
)


def sign(
    session: Session,
    clock: Clock,
    actor: Actor,
    readiness: Readiness,
    phase_id: str,
    meaning: Meaning,
    comment: str,
    seen: str,
) -> UUID | Refusal:
    """Signs a phase as it stands now.

    Args:
        session: of the transaction; committed by the caller, also after a refusal.
        clock: for the record.
        actor: who signs.
        readiness: of the release, read in this transaction.
        phase_id: which phase.
        meaning: what the signature says.
        comment: what there is to say; needed for a review.
        seen: the digest of what the signer saw.

    Returns:
        The record's id. QUOTE_CONFLICT_VERSION when it stands otherwise than the signer saw;
        AUTHORIZATION_FAILED for the author and whoever put the release down, for who has not the
        role, and to approve what has no known author; QUOTE_STATE_INVALID when boxes are open, or
        the phase is not over; QUOTE_VALIDATION_FAILED for words that do not fit.
    """
    permit, subject = _permit(session, clock, actor), _subject(readiness)
    refusal = permit.refusal(Action.PHASE_SIGNED, subject)
    if refusal is not None:
        return refusal
    phase = readiness.phase(phase_id)
    why = (
        _not_by(permit, readiness)
        or _without_author(readiness, meaning)
        or _words_fault(comment, is_needed=meaning is Meaning.REVIEWED)
        or _not_ready(phase, meaning, seen)
    )
    if why is not None or phase is None:
        return permit.refused(Action.PHASE_SIGNED, subject, why or _NO_PHASE)
    role = "" if permit.account is None else permit.account.role
    record = put_down(
        session,
        clock,
        actor,
        RecordKind.SIGN_OFF,
        readiness.release.id,
        {
            "meaning": meaning.value,
            "comment": comment,
            "role": role,
            "seen": seen,
            "states": phase.states,
            "evidence": _evidence_of(session, readiness, phase),
        },
        phase_id=phase_id,
    )
    permit.done(Action.PHASE_SIGNED, subject, {"phase": phase_id, "meaning": meaning, "seen": seen})
    return record.id


def attest(
    session: Session,
    clock: Clock,
    actor: Actor,
    readiness: Readiness,
    item_id: str,
    comment: str,
    fingerprints: Mapping[Dependency, str],
    *,
    is_good: bool = True,
    seen: str | None = None,
) -> UUID | Refusal:
    """Puts down somebody's word for a box that takes one; against it, if it is not good.

    Args:
        session: of the transaction; committed by the caller, also after a refusal.
        clock: for the record.
        actor: who vouches.
        readiness: of the release, read in this transaction.
        item_id: which box.
        comment: what was done to know it.
        fingerprints: of things as they are.
        is_good: False when it is known not to be so.
        seen: what a machine had seen when they read it, see `seen_at_gate`; None where nobody read.

    Returns:
        The record's id. QUOTE_CONFLICT_VERSION when a machine has seen something else since;
        AUTHORIZATION_FAILED for who may not; QUOTE_STATE_INVALID where nobody's word is taken;
        QUOTE_VALIDATION_FAILED for words that do not fit.
    """
    item = readiness.release.items.get(item_id)
    is_of_each = item is not None and item.is_of_each
    # Who is on call vouches for themselves, lead or not.
    permission = Permission.READ_LEDGER if is_of_each else Permission.SIGN_OFF
    permit, subject = Permit(session, clock, actor, permission), _subject(readiness)
    refusal = permit.refusal(Action.BOX_ATTESTED, subject)
    if refusal is not None:
        return refusal
    why = (
        (None if is_of_each and permit.account is not None else _not_by(permit, readiness))
        or _not_attested(readiness, item_id, is_good=is_good)
        or (_gate_shut(readiness, item, fingerprints) if is_good else None)
        or (_CHANGED if is_good and seen not in {None, seen_at_gate(readiness, item_id)} else None)
        or (_not_on_call(session, readiness, permit) if is_of_each else None)
        or _words_fault(comment, is_needed=True)
    )
    if why is not None:
        return permit.refused(Action.BOX_ATTESTED, subject, why)
    now = clock.now()
    record = put_down(
        session,
        clock,
        actor,
        RecordKind.EVIDENCE,
        readiness.release.id,
        evidence_body(
            readiness.release.id,
            clock.uuid7(),
            Verdict.PASSING if is_good else Verdict.FAILING,
            comment,
            started_at=now,
            ended_at=now,
            fingerprints=fingerprints,
            numbers=_seen(readiness, item_id),
            witness="",
            is_attested=True,
        ),
        item_id=item_id,
    )
    permit.done(Action.BOX_ATTESTED, subject, {"box": item_id, "isGood": is_good})
    return record.id


def exempt(
    session: Session,
    clock: Clock,
    actor: Actor,
    readiness: Readiness,
    item_id: str,
    reason: str,
    *,
    expires_at: datetime | None,
) -> UUID | Refusal:
    """Waives a box until some time, which a second person agrees to; or says it does not apply.

    The latter, too, needs a second person where a machine would have decided (`needs_second`); and
    nobody says it of a box that was looked at and is red.

    Args:
        session: of the transaction; committed by the caller, also after a refusal.
        clock: for the record.
        actor: who asks.
        readiness: of the release, read in this transaction.
        item_id: which box.
        reason: why.
        expires_at: when the waiver ends; None for a box that does not apply.
    """
    permit, subject = _permit(session, clock, actor), _subject(readiness)
    refusal = permit.refusal(Action.BOX_EXEMPTED, subject)
    if refusal is not None:
        return refusal
    why = (
        _not_by(permit, readiness)
        or _not_exempt(readiness.release.items.get(item_id))
        or (_not_without(readiness, item_id) if expires_at is None else None)
        or _words_fault(reason, is_needed=True)
        or _expiry_fault(expires_at, clock.now())
    )
    if why is not None:
        return permit.refused(Action.BOX_EXEMPTED, subject, why)
    body: dict[str, Any] = {"reason": reason}
    if expires_at is not None:
        body["expiresAt"] = written_instant(expires_at)
    kind = RecordKind.NOT_APPLICABLE if expires_at is None else RecordKind.WAIVER
    record = put_down(session, clock, actor, kind, readiness.release.id, body, item_id=item_id)
    permit.done(Action.BOX_EXEMPTED, subject, {"box": item_id, "kind": kind.value})
    return record.id


def second(
    session: Session, clock: Clock, actor: Actor, readiness: Readiness, record_id: UUID
) -> UUID | Refusal:
    """Agrees to a waiver that somebody else has asked for, or that a box does not apply."""
    permit, subject = _permit(session, clock, actor), _subject(readiness)
    refusal = permit.refusal(Action.EXEMPTION_SECONDED, subject)
    if refusal is not None:
        return refusal
    waiver = _record(session, readiness, record_id)
    is_exemption = waiver is not None and waiver.kind in _EXEMPTIONS
    why = _not_by(permit, readiness) or (None if is_exemption else _NO_WAIVER)
    if why is None and waiver is not None and waiver.kind == RecordKind.NOT_APPLICABLE:
        why = _not_without(readiness, waiver.item_id or "")
    if why is None and waiver is not None and waiver.account_id == actor.account_id:
        why = _SOMEBODY_ELSE
    if why is not None or waiver is None:
        return permit.refused(Action.EXEMPTION_SECONDED, subject, why or _NO_WAIVER)
    record = put_down(
        session,
        clock,
        actor,
        RecordKind.SECOND,
        readiness.release.id,
        {"recordId": str(record_id)},
        item_id=waiver.item_id,
    )
    permit.done(Action.EXEMPTION_SECONDED, subject, {"box": waiver.item_id})
    return record.id


def revoke(
    session: Session,
    clock: Clock,
    actor: Actor,
    readiness: Readiness,
    record_id: UUID,
    reason: str,
) -> UUID | Refusal:
    """Takes back what somebody said: a signature, a word, an exemption. Its record stays."""
    permit, subject = _permit(session, clock, actor), _subject(readiness)
    refusal = permit.refusal(Action.RECORD_REVOKED, subject)
    if refusal is not None:
        return refusal
    record = _record(session, readiness, record_id)
    why = (
        _not_by(permit, readiness)
        or (None if record is not None and _is_revocable(record) else _NO_RECORD)
        or _words_fault(reason, is_needed=True)
    )
    if why is not None or record is None:
        return permit.refused(Action.RECORD_REVOKED, subject, why or _NO_RECORD)
    revoked = put_down(
        session,
        clock,
        actor,
        RecordKind.REVOCATION,
        readiness.release.id,
        {"recordId": str(record_id), "reason": reason},
        item_id=record.item_id,
        phase_id=record.phase_id,
    )
    permit.done(Action.RECORD_REVOKED, subject, {"recordId": str(record_id)})
    return revoked.id


def evidence_body(
    release_id: UUID,
    run: UUID,
    verdict: Verdict,
    reason: str,
    *,
    started_at: datetime,
    ended_at: datetime,
    fingerprints: Mapping[Dependency, str],
    numbers: Mapping[str, Any],
    witness: str,
    is_attested: bool,
) -> dict[str, Any]:
    """The facts of a record of evidence.

    Args:
        release_id: of which release; with it the record cannot pass for another's.
        run: an id of this one look, never used again.
        verdict: what it came to.
        reason: in a sentence.
        started_at: when it began.
        ended_at: when it was over.
        fingerprints: of things as they were.
        numbers: what was measured, in JSON's own types.
        witness: the query, or what was looked at.
        is_attested: whether it is a person's word.
    """
    return {
        "releaseId": str(release_id),
        "run": str(run),
        "verdict": verdict.value,
        "reason": reason,
        "startedAt": written_instant(started_at),
        "endedAt": written_instant(ended_at),
        "fingerprints": {each.value: value for each, value in fingerprints.items()},
        "numbers": dict(numbers),
        "witness": witness,
        "attested": is_attested,
    }


_EXEMPTIONS: Final = frozenset({RecordKind.WAIVER.value, RecordKind.NOT_APPLICABLE.value})
_REVOCABLE: Final = frozenset({RecordKind.SIGN_OFF.value, RecordKind.SECOND.value} | _EXEMPTIONS)


def _is_revocable(record: ReadinessRecord) -> bool:
    """Whether it is somebody's word; what a machine has found stays found."""
    if record.kind == RecordKind.EVIDENCE:
        return bool(body_of(record)["attested"])
    return record.kind in _REVOCABLE


def _permit(session: Session, clock: Clock, actor: Actor) -> Permit:
    return Permit(session, clock, actor, Permission.SIGN_OFF)


def _subject(readiness: Readiness) -> Subject:
    return Subject("release", str(readiness.release.id))


def _not_by(permit: Permit, readiness: Readiness) -> Refusal | None:
    """Why this person does not speak for this release."""
    account = permit.account
    if account is None:
        return _NOBODY
    release = readiness.release
    is_author = account.id in {release.author_id, release.maker_id} or (
        # However they are called where they ask.
        release.author.casefold() in {account.email.casefold(), permit.actor.name.casefold()}
    )
    return _AUTHOR if is_author else None


def _without_author(readiness: Readiness, meaning: Meaning) -> Refusal | None:
    """Why nobody approves a release of which nobody knows who has made it."""
    is_review = meaning is Meaning.REVIEWED
    return None if is_review or readiness.release.author_id is not None else _NO_AUTHOR


def _not_attested(readiness: Readiness, item_id: str, *, is_good: bool) -> Refusal | None:
    """Why nobody's word is taken for this box now."""
    item = readiness.release.items.get(item_id)
    if item is None:
        return _NO_BOX
    if is_good and item.gate is Gate.ABSENT:
        return Refusal(ErrorCode.QUOTE_STATE_INVALID, f"{NO_GATE}; nothing was put down.")
    if item.kind is Kind.ATTESTED:
        return None
    if item.kind is Kind.DERIVED or item.signatures == 1:
        return Refusal(
            ErrorCode.QUOTE_STATE_INVALID,
            f"This box is {item.kind.value}: nobody ticks it by hand; nothing was put down.",
        )
    # Two people vouch for what was run; they do not stand in for it.
    if is_good and readiness.standings[item_id].state is State.UNKNOWN:
        return Refusal(
            ErrorCode.QUOTE_STATE_INVALID,
            "It has to be run first, then people vouch for it; nothing was put down.",
        )
    return None


def _gate_shut(
    readiness: Readiness, item: Item | None, fingerprints: Mapping[Dependency, str]
) -> Refusal | None:
    """Why nobody vouches for a box now: a machine has not seen what it has to see before."""
    if item is None or item.gate is not Gate.LOOK:
        return None
    looked = readiness.knowledge.gates.get(item.id)
    if looked is None:
        why = LOOK_FIRST
    elif looked.verdict is not Verdict.PASSING:
        why = f"Its gate is shut: {looked.reason}"
    elif any(looked.fingerprints.get(each) != fingerprints.get(each) for each in item.depends_on):
        why = "What a machine has seen has changed since: let it look again"
    else:
        return None
    return Refusal(ErrorCode.QUOTE_STATE_INVALID, f"{why}; nothing was put down.")


def _not_on_call(session: Session, readiness: Readiness, permit: Permit) -> Refusal | None:
    """Why somebody's word is not asked for where each who is on call gives theirs."""
    on_call = roster_of(session, readiness.release.environment).on_call
    account = permit.account
    return None if account is not None and account.email.casefold() in on_call else _NOT_ASKED


def seen_at_gate(readiness: Readiness, item_id: str) -> str:
    """The digest of what people vouch for where a machine looks before them; empty elsewhere."""
    looked = readiness.knowledge.gates.get(item_id)
    return "" if looked is None else str(looked.numbers.get(SEEN, ""))


def _seen(readiness: Readiness, item_id: str) -> dict[str, Any]:
    """What a word is for, where a machine has looked at it before: its digest."""
    seen = seen_at_gate(readiness, item_id)
    return {SEEN: seen} if seen else {}


def _not_exempt(item: Item | None) -> Refusal | None:
    if item is None:
        return _NO_BOX
    if item.kind is Kind.DERIVED:
        return Refusal(
            ErrorCode.QUOTE_STATE_INVALID,
            "This box follows from others: exempt those; nothing was put down.",
        )
    return None


def _not_without(readiness: Readiness, item_id: str) -> Refusal | None:
    """Why nobody says of a box that it does not apply: it does, for it is red."""
    standing = readiness.standings[item_id]
    evidence = standing.evidence
    is_red = evidence is not None and evidence.verdict is Verdict.FAILING
    if not is_red and standing.state is not State.FAILING:
        return None
    return Refusal(
        ErrorCode.QUOTE_STATE_INVALID,
        "This box is red, so that it applies: mend what was found, or waive it; nothing was put"
        " down.",
    )


def _not_ready(phase: PhaseStanding | None, meaning: Meaning, seen: str) -> Refusal | None:
    if phase is None:
        return _NO_PHASE
    if phase.seen != seen:
        return _CHANGED
    return None if meaning is Meaning.REVIEWED else _not_approved(phase, meaning)


def _not_approved(phase: PhaseStanding, meaning: Meaning) -> Refusal | None:
    """Why nobody approves a phase as it stands."""
    if phase.blocking:
        return Refusal(
            ErrorCode.QUOTE_STATE_INVALID,
            f"{len(phase.blocking)} boxes are open, {phase.blocking[0]} among them;"
            " nothing was put down.",
            {"blocking": list(phase.blocking)},
        )
    if not phase.is_in_time:
        ends_at = phase.closes_at or phase.opens_at
        when = "once it is deployed" if ends_at is None else f"from {ends_at:%Y-%m-%d %H:%M} UTC on"
        return Refusal(
            ErrorCode.QUOTE_STATE_INVALID,
            f"{phase.phase.id} can be approved {when}; nothing was put down.",
        )
    if meaning is Meaning.APPROVED and phase.exempt:
        return Refusal(
            ErrorCode.QUOTE_STATE_INVALID,
            f"{phase.exempt} boxes are waived or do not apply: approve with waivers; nothing was"
            " put down.",
        )
    return None


def _expiry_fault(expires_at: datetime | None, now: datetime) -> Refusal | None:
    if expires_at is None or now < expires_at <= now + WAIVER_MAX:
        return None
    return _unfit(f"A waiver ends within {WAIVER_MAX.days} days.")


def _words_fault(words: str, *, is_needed: bool) -> Refusal | None:
    if is_needed and not words.strip():
        return _unfit("It needs a sentence of why.")
    if len(words) > _WORDS_MAX:
        return _unfit(f"At most {_WORDS_MAX:,} characters can be said.")
    if any(unicodedata.category(each) == "Cc" for each in words if each not in "\n\t"):
        return _unfit("There is a control character among the words.")
    return None


def _unfit(why: str) -> Refusal:
    return Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, why)


def _record(session: Session, readiness: Readiness, record_id: UUID) -> ReadinessRecord | None:
    found = session.get(ReadinessRecord, record_id)
    return found if found is not None and found.release_id == readiness.release.id else None


def _evidence_of(session: Session, readiness: Readiness, phase: PhaseStanding) -> list[str]:
    """The records of this release that say how the boxes of a phase stand."""
    ids = readiness.knowledge.evidence_ids
    wanted = [ids[box.id] for box in phase.phase.boxes if box.id in ids]
    own = session.exec(
        select(col(ReadinessRecord.id)).where(
            col(ReadinessRecord.id).in_(wanted),
            # What was carried over is another release's, and no part of this one's chain.
            col(ReadinessRecord.release_id) == readiness.release.id,
        )
    ).all()
    return sorted(map(str, own))
