"""Clears away what looks have left behind: quotes of canaries, by the way any quote is deleted.

What was sent is rejected, and what is rejected deleted; what was accepted or has expired stays, for
nothing leads on from there. Of a deleted quote its row stays, with its revisions and attempts.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import structlog
from psycopg.errors import Error
from psycopg_pool import PoolTimeout

from engine.access.canaries import CANARY_IDS
from engine.quotes.lifecycle import Operation
from engine.readiness.probes.saving import request
from engine.runtime import Runtime
from engine.saving.answer import Refused

# A look leaves some hundreds; what is left of several goes with the next ones.
_MOST: Final = 1_000
_LEFT: Final = """
    SELECT agent_id, id, status, version
    FROM quote
    WHERE agent_id = ANY(%s) AND status IN ('DRAFT', 'SENT', 'REJECTED')
    LIMIT %s
"""


def clear_away(runtime: Runtime) -> int:
    """Deletes the quotes of canaries that can be; returns how many.

    Not while a look goes on: its quotes would be gone. A database that does not answer is no news
    here, and the next look clears away.
    """
    try:
        with runtime.read_pool.connection() as connection:
            left = connection.execute(_LEFT, [sorted(CANARY_IDS), _MOST]).fetchall()
    except (Error, PoolTimeout) as error:
        structlog.get_logger().warning("leavings_not_cleared", error=type(error).__name__)
        return 0
    return sum(_delete(runtime, *row) for row in left)


def _delete(runtime: Runtime, agent_id: UUID, quote_id: UUID, status: str, version: int) -> bool:
    operations = [Operation.DELETE]
    if status == "SENT":
        operations.insert(0, Operation.REJECT)
    for operation in operations:
        body = {"version": version}
        if isinstance(
            runtime.saver.save(request(runtime, agent_id, operation, quote_id, body)), Refused
        ):
            return False
        version += 1
    return True
