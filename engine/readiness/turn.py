"""Whose turn it is to look: one process at a time, over all that use a database.

Looks save, race and count; two at once would find each other. The lock is a transaction's, on a
connection of its own, so that it falls with whoever looks, however they end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlmodel import Session

from engine.clock import Clock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import SetupError

# Saves at once of whoever looks: enough to race, and few beside those of a serving process.
CONNECTIONS: Final = 4
# Somebody in front of a screen waits for that; a worker comes again in a minute.
PATIENCE: Final = timedelta(seconds=5)
_PAUSE_S: Final = 0.25
# What is found by a clock that is ahead overtakes later looks, and its record can never be proved.
_OFF_MAX: Final = timedelta(minutes=1)
_DATABASE_TIME: Final = text("SELECT clock_timestamp()")
_NAMED: Final = "saveguard look "
_TRY: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('saveguard.readiness.look'))")
# Held while probes run, which takes as long as it takes; nothing is read in the transaction, so
# that it keeps nobody from anything else. The session says whose it is to whoever comes second.
_WAIT: Final = text("""
    SELECT set_config('idle_in_transaction_session_timeout', '0', true),
        set_config('application_name', :name, true)
""")
# Who looks is told by the audit trail, where looks that somebody asked for stand.
_HOLDER: Final = text("""
    SELECT a.application_name, a.xact_start, (
        SELECT e.actor FROM audit_event AS e
        WHERE e.correlation_id = substr(a.application_name, :skipped) AND e.action = 'probe run'
        LIMIT 1
    )
    FROM pg_locks AS l
    JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND l.objid::bigint = (hashtext('saveguard.readiness.look')::bigint & 4294967295)
    LIMIT 1
""")


class UnderWayError(SetupError):
    """Somebody else is looking; its message says who, and since when."""


@contextmanager
def turn(target: Target, clock: Clock, name: str, patience: timedelta = PATIENCE) -> Iterator[None]:
    """The time in which nobody else looks.

    Args:
        target: the database.
        clock: for waiting.
        name: of whoever looks: the correlation id of their event in the audit trail, or a word.
        patience: how long somebody else is waited for.

    Raises:
        UnderWayError: somebody else looks.
        SetupError: this clock is not the database's.
        sqlalchemy.exc.DBAPIError: the database could not be asked.
    """
    with session_of(target) as alone:
        alone.execute(_WAIT, {"name": f"{_NAMED}{name}"})
        off = abs(clock.now() - alone.execute(_DATABASE_TIME).scalar_one())
        if off > _OFF_MAX:
            raise SetupError(
                f"this clock and the database's are {off.total_seconds():.0f} seconds apart:"
                " nothing is looked at until they agree"
            )
        give_up = clock.monotonic() + patience.total_seconds()
        while alone.execute(_TRY).scalar() is not True:
            if clock.monotonic() >= give_up:
                raise UnderWayError(_words(alone))
            clock.sleep(_PAUSE_S)
        yield


def _words(session: Session) -> str:
    found = session.execute(_HOLDER, {"skipped": len(_NAMED) + 1}).one_or_none()
    if found is None:  # it has ended this moment, or is another role's
        return "another look is under way: try again when it has ended"
    name, since, actor = found
    by = actor or str(name or "").removeprefix(_NAMED) or "somebody"
    return f"a look is under way, by {by}{_since(since)}: try again when it has ended"


def _since(instant: datetime | None) -> str:
    return "" if instant is None else f" since {instant.astimezone(UTC):%H:%M:%S} UTC"
