"""Making accounts, agents, clients' keepers and their keys: the rare writes, through SQLModel."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session

from engine.access.keys import hash_api_key, make_api_key
from engine.access.tables import Account, Agent, ApiKey
from engine.clock import Clock


class NewAgent(NamedTuple):
    """An agent just made, with its key in clear for the one time."""

    agent_id: UUID
    account_id: UUID
    api_key: str


class NewUser(NamedTuple):
    """An account just made, with its key in clear for the one time."""

    account_id: UUID
    api_key: str


def add_user(session: Session, clock: Clock, *, email: str) -> NewUser:
    """Makes an account with a key and no agent profile.

    Raises:
        sqlalchemy.exc.IntegrityError: the e-mail address is taken.
    """
    account = Account(id=clock.uuid7(), email=email, created_at=clock.now())
    key = make_api_key(clock)
    session.add(account)
    session.flush()
    session.add(
        ApiKey(
            id=clock.uuid7(),
            account_id=account.id,
            key_hash=hash_api_key(key),
            created_at=clock.now(),
        )
    )
    session.flush()
    return NewUser(account.id, key)


def add_agent(
    session: Session,
    clock: Clock,
    *,
    name: str,
    email: str,
    max_active_quotes: int = 100_000,
    rate_limit_per_minute: int | None = None,
) -> NewAgent:
    """Makes an account with a key and an agent profile.

    Raises:
        sqlalchemy.exc.IntegrityError: the e-mail address is taken.
    """
    user = add_user(session, clock, email=email)
    agent = Agent(
        id=clock.uuid7(),
        account_id=user.account_id,
        name=name,
        email=email,
        max_active_quotes=max_active_quotes,
        rate_limit_per_minute=rate_limit_per_minute,
        created_at=clock.now(),
    )
    session.add(agent)
    session.flush()
    return NewAgent(agent.id, user.account_id, user.api_key)
