"""Canaries: accounts of our own, which call the API as anybody does, so that others need not.

Their ids are reserved: every other account's is made by the clock and is of another version of
UUID, so that nobody can become one. What they save is synthetic, whoever sends it and whatever it
says (`is_canary`), and is no part of any number that is live. A key of theirs lives as long as the
look that it was made for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from enum import Enum
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session

from engine.access.audit import Action, Actor, Subject, event, terminal_actor
from engine.access.keyring import add_key, find_key, revoke
from engine.access.tables import Account, Agent
from engine.clock import Clock
from engine.database.sessions import session_of
from engine.database.target import Target

# Version 8: made by whoever knows why.
_FIRST: Final = UUID("5afe9a4d-0000-8000-8000-000000000000").int
# Should a process die before it has revoked a key.
_KEY_LIFETIME: Final = timedelta(hours=1)
_LOCK: Final = text("SELECT pg_advisory_xact_lock(hashtext('saveguard.canaries'))")
ACTOR_NAME: Final = "readiness"


class _Profile(NamedTuple):
    """What a canary is.

    Attributes:
        number: of its id.
        name: as lists show it.
        is_agent: whether it has an agent profile.
        status: of that.
        max_active_quotes: of that.
        rate_limit_per_minute: of that; None for none.
    """

    number: int
    name: str
    is_agent: bool = True
    status: str = "ACTIVE"
    max_active_quotes: int = 100_000
    rate_limit_per_minute: int | None = None


class Canary(Enum):
    """One of them, each for what only such an account can show."""

    AGENT = _Profile(1, "Readiness canary")
    STRANGER = _Profile(2, "Readiness canary, another agent")
    HURRIED = _Profile(3, "Readiness canary with the least limit", rate_limit_per_minute=1)
    FULL = _Profile(4, "Readiness canary without quota", max_active_quotes=0)
    SUSPENDED = _Profile(5, "Readiness canary, suspended", status="SUSPENDED")
    NO_AGENT = _Profile(6, "Readiness canary without a profile", is_agent=False)
    # Several, so that a look at the limit need not wait until the one before is forgotten.
    LIMITED_1 = _Profile(7, "Readiness canary with a limit, 1", rate_limit_per_minute=20)
    LIMITED_2 = _Profile(8, "Readiness canary with a limit, 2", rate_limit_per_minute=20)
    LIMITED_3 = _Profile(9, "Readiness canary with a limit, 3", rate_limit_per_minute=20)

    @property
    def id(self) -> UUID:
        """Of its account, and of the agent that it is."""
        return UUID(int=_FIRST + self.value.number)

    @property
    def email(self) -> str:
        """At a name that no mail reaches (RFC 2606)."""
        return f"canary-{self.value.number}@readiness.invalid"


CANARY_IDS: Final = frozenset(each.id for each in Canary)


def is_canary(account_or_agent: UUID) -> bool:
    """Whether an account, or an agent, is one of ours: what it saves is synthetic."""
    return account_or_agent in CANARY_IDS


def see_to_canaries(target: Target, clock: Clock, *wanted: Canary) -> None:
    """Makes sure that some canaries are there, without a key.

    Raises:
        sqlalchemy.exc.DBAPIError: they could not be made.
    """
    actor = terminal_actor(clock, ACTOR_NAME)
    with session_of(target) as session:
        session.execute(_LOCK)  # two who make the same account at once
        for canary in wanted:
            _see_to(session, clock, actor, canary)


@contextmanager
def keys_of_canaries(
    target: Target, clock: Clock, *wanted: Canary
) -> Iterator[Mapping[Canary, str]]:
    """A key for each of some canaries, made on first use, for as long as the block lasts.

    Raises:
        sqlalchemy.exc.DBAPIError: they could not be made.
    """
    actor = terminal_actor(clock, ACTOR_NAME)
    ids: list[UUID] = []
    keys: dict[Canary, str] = {}
    see_to_canaries(target, clock, *wanted)
    with session_of(target) as session:
        for canary in wanted:
            made = add_key(
                session,
                clock,
                canary.id,
                name="readiness",
                expires_at=clock.now() + _KEY_LIFETIME,
            )
            _done(session, clock, actor, Action.KEY_ADDED, made.key_id)
            ids.append(made.key_id)
            keys[canary] = made.api_key
    try:
        yield keys
    finally:
        with session_of(target) as session:
            found = [key for key in (find_key(session, each) for each in ids) if key is not None]
            for key_id in sorted(revoke(session, clock.now(), found)):
                _done(session, clock, actor, Action.KEY_REVOKED, key_id)


def _see_to(session: Session, clock: Clock, actor: Actor, canary: Canary) -> None:
    """Makes sure that a canary is there, and what it is for."""
    profile: _Profile = canary.value
    if session.get(Account, canary.id) is None:
        account = Account(
            id=canary.id, email=canary.email, name=profile.name, created_at=clock.now()
        )
        session.add(account)
        session.flush()
        subject = Subject("account", str(canary.id))
        session.add(event(clock, actor, Action.ACCOUNT_ADDED, subject=subject))
    if not profile.is_agent:
        return
    agent = session.get(Agent, canary.id)
    if agent is None:
        agent = Agent(
            id=canary.id,
            account_id=canary.id,
            name=profile.name,
            email=canary.email,
            created_at=clock.now(),
        )
        subject = Subject("agent", str(canary.id))
        session.add(event(clock, actor, Action.AGENT_ADDED, subject=subject))
    agent.status = profile.status
    agent.max_active_quotes = profile.max_active_quotes
    agent.rate_limit_per_minute = profile.rate_limit_per_minute
    session.add(agent)
    session.flush()


def _done(session: Session, clock: Clock, actor: Actor, action: Action, key_id: UUID) -> None:
    session.add(event(clock, actor, action, subject=Subject("api_key", str(key_id))))
