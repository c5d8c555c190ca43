"""What somebody may do now, by their account as it stands: what a page was told may be old.

For what is read over a connection of the pool, which waits no longer than its deadline. What is
written through a session has `permits`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from sqlalchemy import and_, select

from engine.access.audit import Actor
from engine.access.roles import Permission, Role, may, role_of
from engine.access.tables import Account, Agent
from engine.database.sql import Statement, parameter, table_of, word
from engine.errors import ErrorCode, Refusal

NOT_PERMITTED: Final = Refusal(ErrorCode.AUTHORIZATION_FAILED, "Your role does not permit this.")


class Standing(NamedTuple):
    """Somebody's role and agent, as they are stored now."""

    role: Role | None = None
    agent_id: UUID | None = None

    def may(self, permission: Permission) -> bool:
        """Whether the role has a permission."""
        return may(self.role, permission)


_account, _agent = table_of(Account), table_of(Agent)
# Held until the transaction is over: a role that is being taken away waits, or is gone already.
_FIND: Final = Statement(
    select(_account.c.role, _agent.c.id)
    .select_from(
        _account.outerjoin(
            _agent,
            # One that is suspended is none: the API lets it see nothing, either.
            and_(_agent.c.account_id == _account.c.id, _agent.c.status == word("ACTIVE")),
        )
    )
    .where(_account.c.id == parameter(_account, "id"), _account.c.disabled_at.is_(None))
    .with_for_update(read=True, of=_account)
)


def standing(connection: psycopg.Connection[Any], actor: Actor) -> Standing:
    """How somebody stands; whoever has no account, or a disabled one, may do nothing.

    Args:
        connection: in the transaction of what is to be done.
        actor: who asks.

    Raises:
        psycopg.Error: the database could not be asked.
    """
    if actor.account_id is None:
        return Standing()
    row = _FIND.run(connection, {"id": actor.account_id}).fetchone()
    return Standing() if row is None else Standing(role_of(row[0]), row[1])
