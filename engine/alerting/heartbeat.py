"""The dead man's switch: a watcher outside hears from the evaluator after every committed tick.

When it hears nothing it tells somebody, by means of its own: that covers what no process of ours
can tell, such as that none of them runs. Asking takes place beside the evaluator, so that a slow
watcher delays no tick; of ticks that come while one is being told, the newest is told next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from typing import Final

from engine.alerting.channels.addresses import MalformedError, Receiver, receiver_of
from engine.alerting.channels.posting import Answer, NoAnswer, post
from engine.clock import Clock
from engine.database.pool import Pool
from engine.settings import Settings

# Of a tick that comes every ten seconds, half.
_PATIENCE_S: Final = 5.0
_SUCCESS: Final = range(200, 300)

Ask = Callable[[Receiver, Clock], Answer | NoAnswer]


def ask(receiver: Receiver, clock: Clock) -> Answer | NoAnswer:
    """Asks for the watcher's address, once."""
    headers = {"User-Agent": "saveguard"}
    return post(receiver, headers, b"", clock, method="GET", patience_s=_PATIENCE_S)


class Heartbeat:
    """Tells the watcher outside of the newest tick."""

    def __init__(self, pool: Pool, settings: Settings, clock: Clock, *, ask: Ask = ask) -> None:
        """Asks nothing yet.

        Args:
            pool: for writing down what the watcher has heard.
            settings: its address.
            clock: for instants.
            ask: sends one request.
        """
        self._pool = pool
        self._url = settings.alert_heartbeat_url
        self._clock = clock
        self._ask = ask
        self._lock = threading.Lock()
        self._newest: int | None = None

    def beat(self, tick: int) -> None:
        """Takes note of a committed tick; returns at once."""
        with self._lock:
            self._newest = tick

    def run(self) -> int:
        """Tells of the newest tick that was not told yet; whether the watcher has heard.

        Raises:
            psycopg.Error: what came of it could not be written down.
            PoolTimeout: the same.
        """
        with self._lock:
            tick, self._newest = self._newest, None
        if tick is None or self._url is None:
            return 0
        sent_at = self._clock.now()
        reason = self._reason(self._url.get_secret_value())
        self._write(tick, sent_at, self._clock.now() if reason is None else None, reason)
        return int(reason is None)

    def _reason(self, url: str) -> str | None:
        """Why the watcher has not heard; None when it has. Never with the address: it is secret."""
        try:
            answer = self._ask(receiver_of(url), self._clock)
        except MalformedError as fault:
            return f"ALERT_HEARTBEAT_URL {fault}"
        if isinstance(answer, NoAnswer):
            return answer.reason.value
        return None if answer.status in _SUCCESS else f"answered with status {answer.status}"

    def _write(
        self, tick: int, sent_at: datetime, acknowledged_at: datetime | None, reason: str | None
    ) -> None:
        with self._pool.connection() as connection:
            connection.execute(_STORE, [tick, sent_at, acknowledged_at, reason])


# What was acknowledged once stays known: its age is what tells how long nobody has heard.
_STORE: Final = """
    INSERT INTO alert_heartbeat (id, tick, sent_at, acknowledged_at, reason)
    VALUES (1, %s, %s, %s, %s)
    ON CONFLICT (id) DO UPDATE
    SET tick = excluded.tick,
        sent_at = excluded.sent_at,
        acknowledged_at = coalesce(excluded.acknowledged_at, alert_heartbeat.acknowledged_at),
        reason = excluded.reason
"""
