"""What a quote says of people: its client's name and address, and what was written for them.

Everything else about a quote is read without it. Each look is asked for, permitted by the account
as it stands now, and in the audit trail before anything is returned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import select

from engine.access import audit
from engine.access.audit import Action, Actor, Subject
from engine.access.authority import NOT_PERMITTED, standing
from engine.access.roles import Permission
from engine.clock import Clock
from engine.database.sql import Statement, parameter, table_of
from engine.errors import ErrorCode, Refusal
from engine.quotes.tables import Client, Quote

_ABSENT: Final = Refusal(ErrorCode.QUOTE_NOT_FOUND, "This agent has no quote with this id.")


@dataclass(frozen=True, slots=True)
class PersonalData:
    """What a quote says of people; None for what it does not say.

    Attributes:
        first_name: of the client.
        last_name: of the client.
        email: of the client.
        important_info: for the client.
        custom_notes: for the client.
        agent_notes: about the client or the trip.
    """

    first_name: str | None = field(repr=False)
    last_name: str | None = field(repr=False)
    email: str | None = field(repr=False)
    important_info: str | None = field(repr=False)
    custom_notes: str | None = field(repr=False)
    agent_notes: str | None = field(repr=False)


_client, _quote = table_of(Client), table_of(Quote)
_READ: Final = Statement(
    select(
        _client.c.first_name,
        _client.c.last_name,
        _client.c.email,
        _quote.c.important_info,
        _quote.c.custom_notes,
        _quote.c.agent_notes,
    )
    .select_from(
        _quote.outerjoin(
            _client,
            (_client.c.agent_id == _quote.c.agent_id) & (_client.c.id == _quote.c.client_id),
        )
    )
    .where(
        _quote.c.agent_id == parameter(_quote, "agent_id"),
        _quote.c.id == parameter(_quote, "id"),
    )
)


def personal_data(
    connection: psycopg.Connection[Any],
    clock: Clock,
    actor: Actor,
    agent_id: UUID,
    quote_id: UUID,
) -> PersonalData | Refusal:
    """What a quote says of people, for those who may see it: by their role, or of their own quote.

    Args:
        connection: in autocommit; the look and its event are one transaction.
        clock: for the event.
        actor: who looks.
        agent_id: whose quote.
        quote_id: which.

    Returns:
        The data; AUTHORIZATION_FAILED, or QUOTE_NOT_FOUND for who may see what there is. Each is in
        the audit trail by then.

    Raises:
        psycopg.Error: the database could not be asked, or the event could not be written.
    """
    with connection.transaction():
        seen = _look(connection, actor, agent_id, quote_id)
        audit.write(
            connection,
            audit.event(
                clock,
                actor,
                Action.PERSONAL_DATA_VIEWED,
                subject=Subject("quote", str(quote_id)),
                refused=seen.code if isinstance(seen, Refusal) else None,
                details={"agentId": str(agent_id)},
            ),
        )
    return seen


def _look(
    connection: psycopg.Connection[Any], actor: Actor, agent_id: UUID, quote_id: UUID
) -> PersonalData | Refusal:
    who = standing(connection, actor)
    if not (who.may(Permission.SEE_PERSONAL_DATA) or who.agent_id == agent_id):
        return NOT_PERMITTED
    row = _READ.run(connection, {"agent_id": agent_id, "id": quote_id}).fetchone()
    return _ABSENT if row is None else PersonalData(*row)
