"""Takes a tick again and again, each time in a process that is killed one exchange later.

An exchange is a round trip to the server on the connection that has the lock of the tick. After
each kill it prints how many rows the tables of alerting have; the last line is of the process that
lived.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, LiteralString

import psycopg

from engine.alerting import records
from engine.alerting.evaluator import Evaluator
from engine.clock import FrozenClock
from engine.database.pool import EngineConnection, Pool
from engine.database.target import Target
from engine.settings import Settings

_ALL: dict[str, LiteralString] = {
    "alert_tick": "SELECT 1 FROM alert_tick",
    "alert_state": "SELECT 1 FROM alert_state",
    "alert_transition": "SELECT 1 FROM alert_transition",
    "alert": "SELECT 1 FROM alert",
    "alert_outbox": "SELECT 1 FROM alert_outbox",
}
_TAKE_TURNS = "SELECT pg_advisory_xact_lock(hashtext('saveguard.alerting.tick'))"


def kill_after(exchanges: int) -> None:
    """Kills this process when the connection that writes has made so many exchanges."""
    wait, lock, writing, made = EngineConnection.wait, records.lock, [], []

    def counted(self: EngineConnection, *args: Any, **more: Any) -> Any:
        found = wait(self, *args, **more)
        if self in writing:
            made.append(self)
            if len(made) > exchanges:
                os.kill(os.getpid(), signal.SIGKILL)
        return found

    def locked(connection: Any) -> bool:
        writing.append(connection)
        return lock(connection)

    EngineConnection.wait = counted  # type: ignore[method-assign]
    records.lock = locked


def tick(target: Target, settings: Settings, now: datetime) -> None:
    """One tick, as of an instant; none if the one before has come as far as its commit."""
    clock = FrozenClock(now)
    pool = Pool(target, settings, clock, size=3, least=0)
    pool.open()
    Evaluator(pool, settings, clock).tick()
    pool.close()


def counts(target: Target) -> dict[str, int]:
    """How many rows each table has, once nobody is in the middle of anything."""
    with psycopg.connect(target.app) as connection:
        connection.execute(_TAKE_TURNS)
        return {table: len(connection.execute(_ALL[table]).fetchall()) for table in _ALL}


def main() -> None:
    """Kills and counts until one lives."""
    app, data_dir, now = sys.argv[1:]
    target, settings = Target(app=app, owner=app), Settings(data_dir=Path(data_dir))
    is_killed, exchanges = True, 0
    while is_killed:
        child = os.fork()
        if not child:
            kill_after(exchanges)
            tick(target, settings, datetime.fromisoformat(now))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        is_killed = os.WIFSIGNALED(status)
        told = json.dumps({"killed": is_killed, **counts(target)})
        print(told, flush=True)  # noqa: T201  # told to the test
        exchanges += 1


if __name__ == "__main__":
    main()
