"""What is read of limits, as one question that all its viewers share; see `memory`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg

from dashboard import engine_in_process
from dashboard.memory import Known, recall
from dashboard.viewer import Viewer
from engine.access import limit_use
from engine.access.limit_use import Use
from engine.access.roles import Permission
from engine.errors import ErrorCode
from engine.quotes import quota_use
from engine.quotes.quota_use import AgentLimits
from engine.rollups import refused_by_agent
from engine.rollups.grid import Window
from engine.rollups.refused_by_agent import Found

CODES: Final = (ErrorCode.RATE_LIMIT_EXCEEDED, ErrorCode.QUOTA_EXCEEDED)
BACK: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """How near agents are to their limits.

    Attributes:
        read_at: when this was read.
        agents: those with limits of their own or near their quota, nearest first.
        refused: whom limits refused in the last day.
        used: what was used of limits in the last minute.
    """

    read_at: datetime
    agents: tuple[AgentLimits, ...]
    refused: Found
    used: tuple[Use, ...] = ()


def limits(viewer: Viewer) -> Known[Limits]:
    """How near agents are to their limits.

    Raises:
        RuntimeError: this process has no engine.
        PermissionError: the viewer may not read the ledger.
    """
    if not viewer.may(Permission.READ_LEDGER):
        raise PermissionError
    runtime = engine_in_process.runtime()

    def read(connection: psycopg.Connection[Any]) -> Limits:
        now = runtime.clock.now()
        return Limits(
            now,
            quota_use.nearest(connection),
            refused_by_agent.read(connection, Window(now - BACK, now), CODES),
            limit_use.read(connection),
        )

    return recall(runtime, ("limits",), read)
