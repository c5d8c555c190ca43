"""What people say of a release in use, and what became of what a machine found odd: records, too.

Nobody's word is in them: who vouches for a box says that they have read all of it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlmodel import Session

from engine.access.audit import Action, Actor, Subject
from engine.access.permits import Permit
from engine.access.roles import Permission
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.readiness.records import RecordKind, body_of, put_down, records_of
from engine.readiness.tables import ReadinessRecord

_WORDS_MAX: Final = 2_000
_IDS_MAX: Final = 20
_CORRELATION_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")


def put_down_feedback(
    session: Session,
    clock: Clock,
    actor: Actor,
    release_id: UUID,
    words: str,
    correlation_ids: Sequence[str] = (),
) -> UUID | Refusal:
    """Puts down what somebody said of a release.

    Args:
        session: of the transaction; committed by the caller, also after a refusal.
        clock: for the record.
        actor: who brings it.
        release_id: of which release.
        words: what was said.
        correlation_ids: of the saves that it is about.

    Returns:
        The record's id; AUTHORIZATION_FAILED for who may not sign off; QUOTE_VALIDATION_FAILED for
        words, or ids, that cannot be.
    """
    wrong = next((each for each in correlation_ids if not _CORRELATION_ID.fullmatch(each)), None)
    why = _words_fault(words)
    if wrong is not None or len(correlation_ids) > _IDS_MAX:
        why = f"Feedback names at most {_IDS_MAX} correlation ids, each of 8 to 64 characters."
    body = {"words": words, "correlationIds": list(correlation_ids)}
    return _put(
        session, clock, actor, release_id, RecordKind.FEEDBACK, Action.FEEDBACK_ADDED, body, why
    )


def dispose(
    session: Session,
    clock: Clock,
    actor: Actor,
    release_id: UUID,
    candidate: str,
    reason: str,
    issue: str = "",
) -> UUID | Refusal:
    """Says what became of a candidate: an edge case that has an issue, or none, and why.

    Said again, the last word counts. Returns as `put_down_feedback`.
    """
    why = _words_fault(candidate) or _words_fault(reason) or (issue and _words_fault(issue)) or None
    body = {"candidate": candidate, "reason": reason, "issue": issue or None}
    return _put(
        session,
        clock,
        actor,
        release_id,
        RecordKind.DISPOSITION,
        Action.CANDIDATE_DISPOSED,
        body,
        why,
    )


def feedback_of(session: Session, release_id: UUID) -> Sequence[ReadinessRecord]:
    """What was said of a release, oldest first."""
    return [each for each in records_of(session, release_id) if each.kind == RecordKind.FEEDBACK]


def dispositions_of(session: Session, release_id: UUID) -> dict[str, dict[str, Any]]:
    """The last word on each candidate of a release, by the candidate."""
    return {
        body["candidate"]: body
        for body in (
            body_of(each)
            for each in records_of(session, release_id)
            if each.kind == RecordKind.DISPOSITION
        )
    }


def _put(
    session: Session,
    clock: Clock,
    actor: Actor,
    release_id: UUID,
    kind: RecordKind,
    action: Action,
    body: dict[str, Any],
    why: str | None,
) -> UUID | Refusal:
    permit, subject = (
        Permit(session, clock, actor, Permission.SIGN_OFF),
        Subject("release", str(release_id)),
    )
    refusal = permit.refusal(action, subject)
    if refusal is not None:
        return refusal
    if why is not None:
        return permit.refused(action, subject, Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, why))
    record = put_down(session, clock, actor, kind, release_id, body)
    permit.done(action, subject, {"recordId": str(record.id)})
    return record.id


def _words_fault(words: str) -> str | None:
    if not words.strip() or len(words) > _WORDS_MAX:
        return f"It takes 1 to {_WORDS_MAX:,} characters."
    if any(unicodedata.category(each) == "Cc" for each in words if each not in "\n\t"):
        return "There is a control character among the words."
    return None
