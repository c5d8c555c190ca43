"""The pool of connections that saves and reads run on."""

from __future__ import annotations

import math
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import psycopg
from psycopg import pq
from psycopg.abc import Buffer
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool, PoolTimeout

from engine.clock import Clock, SystemClock
from engine.database.sqlstate import WaitTimeout
from engine.database.target import APP_ROLE, Target
from engine.payload import decode_stored
from engine.settings import Settings

# How our processes are known among the sessions of a server.
APPLICATION: Final = "saveguard"
# How long the pool itself waits between attempts to connect. Its own default doubles from a
# second, which would keep saves refused for many seconds after the database is back.
_RECONNECT_S = 0.5
# When the last attempt to connect failed, waiting the whole time for another would only keep
# callers from hearing so. One of them at a time waits for one more; the others hear it at once, or
# each round of threads would add its wait to that of everybody behind them.
_UNREACHABLE_WAIT_S = 0.6
# A new connection that has not taken its settings by now never does: the line has fallen silent.
# The pool's worker must not wait on it for ever, since it is the one that makes all connections.
_CONFIGURE_S = 5.0
_LONGEST_LIFE_S = 3600.0


class Unreachable(psycopg.OperationalError):
    """No connection could be made: the server refuses, or is not there."""


class UtcLoader(TimestamptzLoader):
    """Reads instants in UTC on a session whose time zone is not ours to set."""

    def load(self, data: Buffer) -> datetime:
        """The same instant, in UTC."""
        return super().load(data).astimezone(UTC)


class EngineConnection(psycopg.Connection[Any]):
    """A connection that stops waiting at a deadline.

    The server's own timeouts do not help when the line is dead and the reply never comes.
    """

    deadline: float | None = None
    clock: Clock = SystemClock()
    # Whether this database wants each attempt on a queue besides; see `engine.rollups.feeds`.
    has_attempt_queue = False

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # noqa: ANN401
        """Runs the protocol until it is done or the deadline has passed.

        Raises:
            WaitTimeout: the deadline has passed. If it did so while we waited, the connection is
                closed, its state is unknown; if it had before, nothing was sent.
        """
        if self.deadline is not None:
            timeout = self.deadline - self.clock.monotonic()
            if timeout <= 0:
                raise WaitTimeout("the deadline had passed; nothing was sent")
        try:
            return super().wait(gen, interval, timeout)
        except WaitTimeout:
            self.pgconn.finish()
            raise

    def is_stale(self) -> bool:
        """Whether the server hung up, or said something, while the connection lay idle."""
        poller = select.poll()
        poller.register(self.pgconn.socket, select.POLLIN)
        return bool(poller.poll(0))


class Pool:
    """Connections to one database, checked out for a save or a read at a time."""

    def __init__(
        self, target: Target, settings: Settings, clock: Clock, *, size: int, least: int = 1
    ) -> None:
        """Takes what it needs; nothing is opened yet.

        Args:
            target: the database.
            settings: how long anything on it may take.
            clock: for deadlines.
            size: connections at most.
            least: connections that are held open even while nobody asks.
        """
        self._clock = clock
        self._wait = settings.pool_wait
        self._patience_s = settings.save_budget.total_seconds()
        self.has_session_state = target.pooler == "none"
        self.has_attempt_queue = False
        self._last_connect_failed = False
        self._scout = threading.Lock()
        self._pool: ConnectionPool[EngineConnection] = ConnectionPool(
            target.app,
            connection_class=self._connection_class(),
            min_size=least,
            max_size=size,
            open=False,
            configure=lambda connection: self._configure_in_time(connection, settings),
            reconnect_timeout=_RECONNECT_S,
            max_lifetime=_LONGEST_LIFE_S,
            num_workers=min(size, 4),
            kwargs={
                "autocommit": True,
                # A pooler hands the next statement to another session, which knows nothing of
                # what this one prepared.
                "prepare_threshold": 0 if self.has_session_state else None,
                "application_name": APPLICATION,
            },
        )

    def _connection_class(self) -> type[EngineConnection]:
        """Connections that know our clock and tell us whether the server could be reached."""
        pool = self

        class Connection(EngineConnection):
            @classmethod
            def connect(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: ANN401
                try:
                    connection = super().connect(*args, **kwargs)
                except psycopg.Error:
                    pool._last_connect_failed = True
                    raise
                pool._last_connect_failed = False
                connection.clock = pool._clock
                return connection

        return Connection

    def open(self) -> None:
        """Starts connecting; returns at once."""
        self._pool.open()

    def await_first(self, patience_s: float) -> None:
        """Waits until a connection can be lent, longer than a save would.

        A process that starts on a busy machine has nobody waiting for it yet. That the server
        refuses is told as soon as to a save.

        Args:
            patience_s: about how long, in seconds; at least as long as a save would.

        Raises:
            Unreachable: none could be made.
            PoolTimeout: none was there in time.
        """
        tries = max(math.ceil(patience_s / self._wait.total_seconds()), 1)
        for tries_left in reversed(range(tries)):
            try:
                with self.connection():
                    return
            except PoolTimeout:
                if not tries_left:
                    raise

    def close(self) -> None:
        """Closes every connection."""
        self._pool.close()

    @property
    def is_unreachable(self) -> bool:
        """Whether the last attempt to connect failed."""
        return self._last_connect_failed

    def stats(self) -> dict[str, int]:
        """The pool's own counters, for the metrics."""
        return dict(self._pool.get_stats())

    @contextmanager
    def connection(self, deadline: float | None = None) -> Iterator[EngineConnection]:
        """Lends a live connection.

        Args:
            deadline: monotonic seconds after which nothing on it waits any longer; a save's budget
                from now unless given.

        Raises:
            Unreachable: none could be made.
            PoolTimeout: all are in use, or the deadline has passed.
        """
        if deadline is None:
            deadline = self._clock.monotonic() + self._patience_s
        connection = self._checkout(deadline)
        connection.deadline = deadline
        connection.has_attempt_queue = self.has_attempt_queue
        try:
            yield connection
        finally:
            connection.deadline = None
            if connection.pgconn.transaction_status not in _REUSABLE:
                connection.close()
            self._pool.putconn(connection)

    def _checkout(self, deadline: float) -> EngineConnection:
        wait = self._wait.total_seconds()
        if not self._last_connect_failed:
            return self._wait_for_one(wait, deadline)
        if not self._scout.acquire(blocking=False):
            raise _unreachable()
        try:
            return self._wait_for_one(min(wait, _UNREACHABLE_WAIT_S), deadline)
        finally:
            self._scout.release()

    def _wait_for_one(self, wait: float, deadline: float) -> EngineConnection:
        now = self._clock.monotonic()
        if now >= deadline:
            raise _unreachable() if self._last_connect_failed else _too_late()
        give_up = min(now + wait, deadline)
        while True:
            try:
                connection = self._pool.getconn(max(give_up - self._clock.monotonic(), 0.001))
            except PoolTimeout:
                if self._last_connect_failed:
                    raise _unreachable() from None
                raise
            if not connection.is_stale():
                return connection
            # Left over from before a restart of the server: drop it, take the next.
            connection.close()
            self._pool.putconn(connection)

    def _configure_in_time(self, connection: EngineConnection, settings: Settings) -> None:
        connection.deadline = self._clock.monotonic() + _CONFIGURE_S
        self._configure(connection, settings)
        connection.deadline = None

    def _configure(self, connection: EngineConnection, settings: Settings) -> None:
        set_json_loads(decode_stored, connection)
        if not self.has_session_state:
            connection.adapters.register_loader("timestamptz", UtcLoader)
            return
        for statement in session_settings(settings):
            connection.execute(statement)
        # Since 16 a member may be one that must not take the role on.
        membership = "SET" if connection.info.server_version >= _SET_OPTION_SINCE else "MEMBER"
        member = connection.execute(
            "SELECT current_user <> %s AND pg_has_role(current_user, %s, %s)",
            [APP_ROLE, APP_ROLE, membership],
        ).fetchone()
        if member is not None and member[0]:
            # The ledger is append-only for the application, even when it connects as its owner.
            connection.execute(f"SET ROLE {APP_ROLE}")


def _unreachable() -> Unreachable:
    return Unreachable("the database does not accept connections")


def _too_late() -> PoolTimeout:
    return PoolTimeout("the deadline has passed")


_SET_OPTION_SINCE = 160_000
_REUSABLE = frozenset({pq.TransactionStatus.IDLE})


def session_settings(settings: Settings, *, local: bool = False) -> list[str]:
    """The statements that bound every wait of a session, or of one transaction if `local`."""
    scope = "SET LOCAL" if local else "SET"
    return [
        f"{scope} lock_timeout = {_milliseconds(settings.lock_timeout)}",
        f"{scope} statement_timeout = {_milliseconds(settings.statement_timeout)}",
        f"{scope} idle_in_transaction_session_timeout = {_milliseconds(settings.save_budget)}",
        f"{scope} timezone = 'UTC'",
        f"{scope} plan_cache_mode = force_generic_plan",
    ]


def _milliseconds(duration: timedelta) -> int:
    return max(int(duration.total_seconds() * 1000), 1)
