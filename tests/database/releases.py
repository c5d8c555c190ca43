"""What the tests of readiness share: releases, people who sign, and a look at how things stand."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.access.accounts import find_account
from engine.access.audit import Actor
from engine.access.roles import Role
from engine.access.tables import Account
from engine.clock import Clock, FrozenClock, SystemClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.readiness.fingerprints import fingerprints_now
from engine.readiness.knowledge import knowledge_of
from engine.readiness.looking import Readiness, look
from engine.readiness.probes.probe import Found, Question
from engine.readiness.probes.registry import PROBES
from engine.readiness.records import records_of
from engine.readiness.releases import Plan, make_release, put_down_deployment
from engine.rollups.roller import roll
from engine.runtime import Runtime
from engine.settings import Settings
from engine.slo.objectives import LIMITS
from tests.database.people import account, acting
from tests.sabotage import seen


class _Before(SystemClock):
    """A clock that stands at an instant, with the ids and the chance of the machine's."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at


def lead(target: Target, clock: Clock) -> tuple[Account, Actor]:
    """Somebody who may sign."""
    made = account(target, clock, Role.LEAD)
    return made, acting(made)


AUTHOR: Final = "author@people.example"


def author(target: Target, clock: Clock) -> str:
    """The address of somebody who makes releases; their account is there afterwards."""
    with session_of(target) as session:
        is_there = find_account(session, AUTHOR) is not None
    if not is_there:
        account(target, clock, email=AUTHOR)
    return AUTHOR


def released(target: Target, clock: Clock, actor: Actor, **changes: Any) -> UUID:
    """A release that was made some days ago; its author is somebody else unless said."""
    plan = {
        "name": "2026.48",
        "commit": "0123abc",
        "environment": "staging",
        "author": author(target, clock),
    }
    if isinstance(changes.get("checklist"), str):
        changes["checklist"] = changes["checklist"].encode()
    before = _Before(clock.now() - timedelta(days=5))
    with session_of(target) as session:
        made = make_release(session, before, actor, Plan(**{**plan, **changes}))
    assert isinstance(made, UUID), made
    return made


def readiness_of(target: Target, settings: Settings, clock: Clock, release_id: UUID) -> Readiness:
    """How a release stands now."""
    with session_of(target) as session:
        release = knowledge_of(records_of(session, release_id)).release
        found = look(session, release_id, fingerprints_now(session, settings, release), clock.now())
    assert found is not None
    return found


# The partitions are made for the present days; at noon both neighbours are hours away.
NOON: Final = SystemClock().now().replace(hour=12, minute=0, second=0, microsecond=0)


class Lookout:
    """Looks at a release of its own with one probe at a time."""

    def __init__(self, runtime: Runtime, **changes: Any) -> None:
        self.runtime = runtime
        self.clock = runtime.clock
        _, self.actor = lead(runtime.target, self.clock)
        self.release_id = released(runtime.target, self.clock, self.actor, **changes)
        self.readiness = self._read()

    def deployed(self, at: datetime) -> Lookout:
        """The same, once the release was deployed."""
        with session_of(self.runtime.target) as session:
            refusal = put_down_deployment(session, self.clock, self.actor, self.release_id, at)
        assert refusal is None
        self.readiness = self._read()
        return self

    def __call__(
        self, probe: str, box: str = "", shared: dict[str, Any] | None = None, **changes: Any
    ) -> Found:
        """What a probe finds for its first box, or for another one; `changes` are the runtime's."""
        release = self.readiness.release
        item = next(
            each for each in release.items.values() if each.probe == probe and box in {"", each.id}
        )
        phase = next(
            each
            for each in release.checklist.phases
            if any(part.id == item.id for part in each.boxes)
        )
        runtime = replace(self.runtime, **changes)
        memory = {} if shared is None else shared
        found = PROBES[probe](Question(runtime, release, item, phase, memory))
        assert found.reason
        assert "\n" not in found.reason
        seen(probe, item.id, found.verdict)
        return found

    def _read(self) -> Readiness:
        runtime = self.runtime
        return readiness_of(runtime.target, runtime.settings, self.clock, self.release_id)


def at_noon(runtime: Runtime, **changes: Any) -> Lookout:
    """A lookout at noon of this day, whatever time it is."""
    return Lookout(replace(runtime, clock=FrozenClock(NOON)), **changes)


def superuser(server: str, target: Target) -> str:
    """Conninfo of the same database as a role that may do anything."""
    return make_conninfo(server, dbname=conninfo_to_dict(target.owner)["dbname"])


def rolled(target: Target, at: datetime = NOON) -> None:
    """Takes what is there into the rollups."""
    with psycopg.connect(target.app, autocommit=True) as connection:
        assert roll(connection, FrozenClock(at), LIMITS) is not None


def ago(**length: float) -> datetime:
    """An instant before noon."""
    return NOON - timedelta(**length)
