"""Making clients."""

from __future__ import annotations

from uuid import UUID

from sqlmodel import Session

from engine.clock import Clock
from engine.quotes.tables import Client


def add_client(
    session: Session, clock: Clock, *, agent_id: UUID, first_name: str, last_name: str, email: str
) -> UUID:
    """Makes a client of an agent; returns its id.

    Raises:
        sqlalchemy.exc.IntegrityError: there is no such agent.
    """
    client = Client(
        agent_id=agent_id,
        id=clock.uuid7(),
        first_name=first_name,
        last_name=last_name,
        email=email,
        created_at=clock.now(),
    )
    client_id = client.id
    session.add(client)
    session.flush()
    return client_id
