"""The journal of migrations: which revision was run when, by whom, how long, and from which file.

A revision's row commits with the revision. Those that were run before there was a journal are
written down with the one that makes it, if they were run by the same command; of others nobody
knows.
"""

from __future__ import annotations

import hashlib
import os
import pwd
from pathlib import Path
from typing import Any, Final

from alembic.runtime.migration import MigrationContext, MigrationInfo
from sqlalchemy import text
from sqlmodel import Session, col, select

from engine.clock import Clock
from engine.database.tables import SchemaChange

_IS_THERE: Final = text("SELECT to_regclass('schema_change') IS NOT NULL")
_ROLE: Final = text("SELECT current_user")
_INSERT: Final = text("""
    INSERT INTO schema_change (revision, direction, ran_at, ran_by, duration_us, checksum)
    VALUES (:revision, :direction, :ran_at, :ran_by, :duration_us, :checksum)
""")
_VERSIONS: Final = Path(__file__).parent / "migrations" / "versions"


class SchemaJournal:
    """Notes each step of one command as Alembic is done with it."""

    def __init__(self, clock: Clock) -> None:
        """Starts to measure the first step.

        Args:
            clock: for the instants.
        """
        self._clock = clock
        self._began = clock.monotonic()
        # Not yet written: the journal was not there.
        self._kept: list[dict[str, Any]] = []

    def __call__(self, *, ctx: MigrationContext, step: MigrationInfo, **_more: object) -> None:
        """Notes a step, in its transaction."""
        connection = ctx.connection
        if connection is None or step.is_stamp:
            return
        now, ended = self._clock.now(), self._clock.monotonic()
        revision = step.up_revision_id or ""
        self._kept.append(
            {
                "revision": revision,
                "direction": "up" if step.is_upgrade else "down",
                "ran_at": now,
                "ran_by": f"{_user()} as {connection.scalar(_ROLE)}",
                "duration_us": round((ended - self._began) * 1_000_000),
                "checksum": checksums().get(revision, bytes(32)),
            }
        )
        self._began = ended
        if connection.scalar(_IS_THERE):
            connection.execute(_INSERT, self._kept)
            self._kept = []


def checksums() -> dict[str, bytes]:
    """SHA-256 of the file of each revision of this release."""
    found = {}
    for file in _VERSIONS.glob("r[0-9]*_*.py"):
        revision = file.name[1:].partition("_")[0]
        found[revision] = hashlib.sha256(file.read_bytes()).digest()
    return found


def newest_changes(session: Session) -> dict[str, SchemaChange]:
    """Of each revision that the journal has, the last time that it was brought here.

    Raises:
        sqlalchemy.exc.DBAPIError: it cannot be read.

    Args:
        session: of this question alone.
    """
    changes = session.exec(
        select(SchemaChange)
        .where(col(SchemaChange.direction) == "up")
        .order_by(col(SchemaChange.ran_at))
    ).all()
    session.expunge_all()  # they are looked at when the session is over
    return {each.revision: each for each in changes}


def _user() -> str:
    uid = os.getuid()
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
