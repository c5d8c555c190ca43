"""What is done on the page of readiness: each is one act of the engine's.

The release is read in the transaction of the act, so that what somebody signs is held against what
they saw, and not against what this process remembers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlmodel import Session

from dashboard import actions, engine_in_process
from dashboard.actions import Outcome
from dashboard.readiness_reads import fingerprints_of, readiness_now
from engine.access.audit import Actor
from engine.clock import Clock
from engine.errors import ErrorCode, Refusal
from engine.readiness import contacts, releases, signoff
from engine.readiness.contacts import Contact
from engine.readiness.items import Dependency
from engine.readiness.looking import Readiness
from engine.readiness.releases import Plan
from engine.readiness.standing import Meaning

T = TypeVar("T")
_Decision = Callable[[Session, Clock, Actor, Readiness, Mapping[Dependency, str]], T | Refusal]
_GONE = Refusal(ErrorCode.QUOTE_VALIDATION_FAILED, "There is no such release.")


def make_release(plan: Plan) -> Outcome[UUID]:
    """Makes a release."""
    return actions.act(
        lambda session, clock, actor: releases.make_release(session, clock, actor, plan)
    )


def put_down_deployment(release_id: UUID, deployed_at: datetime) -> Outcome[None]:
    """Puts down when a release was deployed."""
    return actions.act(
        lambda session, clock, actor: releases.put_down_deployment(
            session, clock, actor, release_id, deployed_at
        )
    )


def put_contact(environment: str, contact: Contact, was: Contact) -> Outcome[UUID]:
    """Puts one contact of an environment down in the place of what was seen there."""
    return actions.act(
        lambda session, clock, actor: contacts.put_contact(
            session, clock, actor, environment, contact, was
        )
    )


def sign(
    release_id: UUID, phase_id: str, meaning: Meaning, comment: str, seen: str
) -> Outcome[UUID]:
    """Signs a phase, if it still stands as it was seen."""
    return _act(
        release_id,
        lambda session, clock, actor, readiness, _: signoff.sign(
            session, clock, actor, readiness, phase_id, meaning, comment, seen
        ),
    )


def attest(
    release_id: UUID, box_id: str, comment: str, seen: str, *, is_good: bool
) -> Outcome[UUID]:
    """Vouches for a box, if a machine has seen the same of it as was read; or against it."""
    return _act(
        release_id,
        lambda session, clock, actor, readiness, fingerprints: signoff.attest(
            session,
            clock,
            actor,
            readiness,
            box_id,
            comment,
            fingerprints,
            is_good=is_good,
            seen=seen,
        ),
    )


def exempt(release_id: UUID, box_id: str, reason: str, life: timedelta | None) -> Outcome[UUID]:
    """Asks for a waiver that ends after some time; without one, says that a box does not apply."""
    return _act(
        release_id,
        lambda session, clock, actor, readiness, _: signoff.exempt(
            session,
            clock,
            actor,
            readiness,
            box_id,
            reason,
            expires_at=None if life is None else clock.now() + life,
        ),
    )


def second(release_id: UUID, record_id: UUID) -> Outcome[UUID]:
    """Agrees to a waiver of somebody else's."""
    return _act(
        release_id,
        lambda session, clock, actor, readiness, _: signoff.second(
            session, clock, actor, readiness, record_id
        ),
    )


def revoke(release_id: UUID, record_id: UUID, reason: str) -> Outcome[UUID]:
    """Takes back what somebody said."""
    return _act(
        release_id,
        lambda session, clock, actor, readiness, _: signoff.revoke(
            session, clock, actor, readiness, record_id, reason
        ),
    )


def _act(release_id: UUID, decide: _Decision[T]) -> Outcome[T]:
    runtime = engine_in_process.runtime()

    def change(session: Session, clock: Clock, actor: Actor) -> T | Refusal:
        fingerprints = fingerprints_of(session, runtime, release_id)
        readiness = readiness_now(session, runtime, release_id)
        if fingerprints is None or readiness is None:
            return _GONE
        return decide(session, clock, actor, readiness, fingerprints)

    return actions.act(change)
