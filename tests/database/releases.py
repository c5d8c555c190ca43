"""What the tests of readiness share: releases, people who sign, and a look at how things stand."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from engine.access.audit import Actor
from engine.access.roles import Role
from engine.access.tables import Account
from engine.clock import Clock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.readiness.fingerprints import fingerprints_now
from engine.readiness.knowledge import knowledge_of
from engine.readiness.looking import Readiness, look
from engine.readiness.records import records_of
from engine.readiness.releases import Plan, make_release
from engine.settings import Settings
from tests.database.people import account, acting


def lead(target: Target, clock: Clock) -> tuple[Account, Actor]:
    """Somebody who may sign."""
    made = account(target, clock, Role.LEAD)
    return made, acting(made)


def released(target: Target, clock: Clock, actor: Actor, **changes: Any) -> UUID:
    """A release that somebody who may has made; its author is somebody else unless said."""
    plan = {
        "name": "2026.48",
        "commit": "0123abc",
        "environment": "staging",
        "author": "author@people.example",
    }
    with session_of(target) as session:
        made = make_release(session, clock, actor, Plan(**{**plan, **changes}))
    assert isinstance(made, UUID), made
    return made


def readiness_of(target: Target, settings: Settings, clock: Clock, release_id: UUID) -> Readiness:
    """How a release stands now."""
    with session_of(target) as session:
        release = knowledge_of(records_of(session, release_id)).release
        found = look(session, release_id, fingerprints_now(session, settings, release), clock.now())
    assert found is not None
    return found
