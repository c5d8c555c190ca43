"""Files for whoever clicks: made then and not before, asked for anew, and in the audit trail.

Streamlit hands a file to whoever has its address, which nobody has before the click. A page that
was left open goes on offering it, so what the account may do is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import psycopg

from engine.access import audit
from engine.access.audit import Action, Actor, Subject
from engine.access.authority import NOT_PERMITTED, standing
from engine.access.roles import Permission
from engine.clock import Clock
from engine.correlation import make_correlation_id


def made(
    connection: psycopg.Connection[Any],
    clock: Clock,
    actor: Actor,
    permission: Permission,
    table: str,
    details: Mapping[str, Any],
    write: Callable[[psycopg.Connection[Any]], bytes],
) -> bytes:
    """A file; or, for who may not have it any more, the sentence that says so.

    Args:
        connection: in autocommit.
        clock: for the event.
        actor: who clicked, as the page knew them.
        permission: what it takes.
        table: that it is of.
        details: what was asked for, without personal data.
        write: makes the file, once the event is written.

    Raises:
        psycopg.Error: the event could not be written, and so there is no file; or as `write`.
    """
    actor = replace(actor, correlation_id=make_correlation_id(clock.uuid7()))
    with connection.transaction():
        refusal = None if standing(connection, actor).may(permission) else NOT_PERMITTED
        audit.write(
            connection,
            audit.event(
                clock,
                actor,
                Action.LEDGER_EXPORTED,
                subject=Subject("table", table),
                refused=None if refusal is None else refusal.code,
                details=details,
            ),
        )
    if refusal is None:
        return write(connection)
    return (
        f"{refusal.code.value}: {refusal.message} Correlation id: {actor.correlation_id}\n"
    ).encode()
