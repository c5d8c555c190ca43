"""Whether somebody on a page may let a machine look at boxes: asked before it does."""

from __future__ import annotations

from uuid import UUID

from sqlmodel import Session

from engine.access.audit import Action, Actor, Subject
from engine.access.permits import Permit
from engine.access.roles import Permission
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.readiness.knowledge import Release
from engine.settings import Settings


def ask_to_run(
    session: Session,
    clock: Clock,
    actor: Actor,
    settings: Settings,
    release: Release | None,
    boxes: int,
) -> UUID | Refusal:
    """Asks; what is allowed stands in the audit trail before it begins.

    Args:
        session: committed by the caller, also after a refusal.
        clock: for the event.
        actor: who asks.
        settings: of the process that will look.
        release: whose boxes; None when there is none of the id that was asked for.
        boxes: how many will be looked at.

    Returns:
        The release's id; AUTHORIZATION_FAILED for who may not sign off; QUOTE_VALIDATION_FAILED
        for a release that is not there, or goes elsewhere: evidence is of the system that it is
        taken from.
    """
    permit = Permit(session, clock, actor, Permission.SIGN_OFF)
    subject = None if release is None else Subject("release", str(release.id))
    refusal = permit.refusal(Action.PROBE_RUN, subject)
    if refusal is not None:
        return refusal
    if release is None or subject is None:
        return permit.refused(Action.PROBE_RUN, subject, _unfit("There is no such release."))
    if release.environment != settings.environment:
        elsewhere = _unfit(
            f"This system is {settings.environment}, the release goes to {release.environment}:"
            " look at it there; nothing was looked at."
        )
        return permit.refused(Action.PROBE_RUN, subject, elsewhere)
    permit.done(Action.PROBE_RUN, subject, {"boxes": boxes})
    return release.id


def _unfit(why: str) -> Refusal:
    return Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, why)
