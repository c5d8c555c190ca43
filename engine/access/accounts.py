"""Accounts and agents: made, found, changed; the rare writes, through SQLModel."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

from sqlmodel import Session, func, select

from engine.access.keyring import add_key
from engine.access.tables import Account, Agent
from engine.clock import Clock


class NewAgent(NamedTuple):
    """An agent just made, with its key in clear for the one time."""

    agent_id: UUID
    account_id: UUID
    key_id: UUID
    api_key: str

    def __repr__(self) -> str:
        """Without the key: what is printed ends up in logs."""
        return f"NewAgent(agent_id={self.agent_id!r}, key_id={self.key_id!r})"


class NewUser(NamedTuple):
    """An account just made, with its key in clear for the one time."""

    account_id: UUID
    key_id: UUID
    api_key: str

    def __repr__(self) -> str:
        """Without the key: what is printed ends up in logs."""
        return f"NewUser(account_id={self.account_id!r}, key_id={self.key_id!r})"


def add_user(session: Session, clock: Clock, *, email: str) -> NewUser:
    """Makes an account with a key and no agent profile.

    Raises:
        sqlalchemy.exc.IntegrityError: the e-mail address is taken.
    """
    account = Account(id=clock.uuid7(), email=email, created_at=clock.now())
    session.add(account)
    session.flush()
    made = add_key(session, clock, account.id)
    return NewUser(account.id, made.key_id, made.api_key)


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
    agent_id = add_profile(
        session,
        clock,
        session.get_one(Account, user.account_id),
        name=name,
        max_active_quotes=max_active_quotes,
        rate_limit_per_minute=rate_limit_per_minute,
    )
    return NewAgent(agent_id, *user)


def add_profile(
    session: Session,
    clock: Clock,
    account: Account,
    *,
    name: str,
    max_active_quotes: int,
    rate_limit_per_minute: int | None,
) -> UUID:
    """Makes an account an agent; returns the agent's id.

    Raises:
        sqlalchemy.exc.IntegrityError: it is one already.
    """
    agent_id = clock.uuid7()
    session.add(
        Agent(
            id=agent_id,
            account_id=account.id,
            name=name,
            email=account.email,
            max_active_quotes=max_active_quotes,
            rate_limit_per_minute=rate_limit_per_minute,
            created_at=clock.now(),
        )
    )
    session.flush()
    return agent_id


def find_account(session: Session, email: str) -> Account | None:
    """The account with an e-mail address, however its letters are written."""
    same = func.lower(Account.email) == func.lower(email)
    return session.exec(select(Account).where(same)).one_or_none()


def find_agent(session: Session, account_id: UUID) -> Agent | None:
    """The agent that an account is, if any."""
    return session.exec(select(Agent).where(Agent.account_id == account_id)).one_or_none()
