"""A scene for faults: an engine behind a proxy, a history of what was asked, and a conclusion.

A scene is left through its conclusion: journals are swept until nothing is open, the history is
judged, every integrity rule is checked, no connection is missing from its pool, no thread is stuck.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, LiteralString, NamedTuple
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import PoolTimeout

from engine.attempts.journal import SUFFIX, Journal
from engine.clock import SystemClock
from engine.database.pool import Pool
from engine.database.target import APP_ROLE, Target
from engine.integrity.verification import verify
from engine.readiness.probes.history import Facts, History, facts_of, judge
from engine.runtime import open_runtime
from engine.saving.answer import Refused, Replayed, SaveResult
from engine.settings import Settings
from tests.database.cluster_harness import eventually
from tests.faults.calls import Calls
from tests.faults.logged import disagreements
from tests.faults.proxy import FaultProxy
from tests.support import new_agency

CLOCK: Final = SystemClock()
PATIENCE_S: Final = 30.0


class Standing(NamedTuple):
    """How a quote stands."""

    version: int
    status: str
    trip_name: str


@dataclass
class Scene(Calls):
    """What a test of faults works with.

    Attributes:
        direct: the database, past the proxy; the runtime's leads through it.
        proxy: breaks lines.
        never_begun: correlation ids of calls that a killed process had not begun.
        surprises: what the engine reported as never to happen.
        neighbours: journals of other living engines in the same directory.
        has_killed: whether a process was killed, whose log lines may be there twice.
        unlogged: correlation ids of attempts whose line met a full disk.
    """

    direct: Target
    proxy: FaultProxy
    never_begun: set[str] = field(default_factory=set)
    surprises: list[BaseException] = field(default_factory=list)
    neighbours: list[Journal] = field(default_factory=list)
    has_killed: bool = False
    unlogged: set[str] = field(default_factory=set)

    def stored(self, quote_id: UUID) -> Standing:
        """A quote as it stands, asked past the proxy."""
        with psycopg.connect(self.direct.owner) as connection:
            row = connection.execute(
                "SELECT version, status, trip_name FROM quote WHERE id = %s", [quote_id]
            ).fetchone()
        assert row is not None
        return Standing(*row)

    def row_of(self, result: SaveResult) -> dict[str, Any]:
        """The ledger's one row of an answered call."""
        (row,) = rows_of(self.direct, result.correlation_id)
        return row

    def sweep(self) -> None:
        """Sweeps until nothing is open, trying again while the database is away."""
        journal = self.runtime.journal

        def is_swept() -> bool:
            with suppress(psycopg.Error, PoolTimeout):
                self.runtime.sweeper.sweep()
            # A left-over that another sweeper is at is locked, but it is still there.
            living = {journal._path, *(each._path for each in self.neighbours)}
            left = set(journal.directory.glob(f"*{SUFFIX}")) - living
            return not (left or journal.open_count or journal.spooled() or journal.in_doubt())

        assert eventually(is_swept, PATIENCE_S), "something was left in a journal"

    def disagreements(self) -> list[str]:
        """What is wrong between the log's lines and the ledger."""
        data_dir = self.runtime.settings.data_dir
        agent_id = self.agency.agent_id
        return disagreements(
            self.direct,
            data_dir,
            agent_id,
            may_be_twice=self.has_killed,
            unlogged=self.unlogged,
        )

    def conclude(self) -> Facts:
        """Ends the faults and holds the engine to its promises."""
        self.proxy.by_chance(None)
        self.proxy.speak()
        self.proxy.accept()
        self.sweep()
        facts = facts_of(self.direct.owner, self.agency.agent_id)
        anomalies = judge(self.history.calls, facts, never_begun=self.never_begun)
        assert anomalies == [], "\n".join(["", *anomalies])
        check_integrity(self.direct)
        wrong = self.disagreements()
        assert wrong == [], "\n".join(["", *wrong[:20]])
        for pool in (self.runtime.save_pool, self.runtime.read_pool):
            assert eventually(partial(is_at_rest, pool), PATIENCE_S), pool.stats()
        assert self.surprises == []
        return facts


@contextmanager
def open_scene(data_dir: Path, direct: Target, **settings: Any) -> Iterator[Scene]:
    """A scene on a database of its own; leaving it in peace concludes it.

    Args:
        data_dir: for the journal.
        direct: a migrated database.
        settings: of the engine.
    """
    before = set(threading.enumerate())
    with ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(direct.app))
        target = replace(direct, app=proxy.through(direct.app))
        surprises: list[BaseException] = []
        runtime = stack.enter_context(
            open_runtime(
                Settings(data_dir=data_dir, **settings),
                target,
                report=lambda _correlation_id, error: surprises.append(error),
            )
        )
        agency = new_agency(runtime)
        scene = Scene(runtime, agency, History(), direct, proxy, surprises=surprises)
        yield scene
        scene.conclude()
    assert eventually(lambda: set(threading.enumerate()) <= before, PATIENCE_S), (
        set(threading.enumerate()) - before
    )


def is_at_rest(pool: Pool) -> bool:
    """Whether every connection of a pool is in it, and nobody waits for one."""
    stats = pool.stats()
    return stats["pool_available"] == stats["pool_size"] and not stats["requests_waiting"]


def check_integrity(target: Target) -> None:
    """Checks every rule of the domain page's section 10."""
    with psycopg.connect(target.owner, autocommit=True) as connection:
        broken = [each for each in verify(connection, CLOCK) if each.violations]
    assert not broken, [(each.rule.id, each.violations, each.offenders[:3]) for each in broken]


def rows_of(target: Target, correlation_id: str) -> list[dict[str, Any]]:
    """The ledger's rows under a correlation id."""
    with psycopg.connect(target.owner, row_factory=dict_row) as connection:
        return connection.execute(
            "SELECT * FROM ledger WHERE correlation_id = %s", [correlation_id]
        ).fetchall()


def replayed(result: SaveResult) -> Replayed:
    """The answer of a save that has to have been a replay."""
    assert isinstance(result, Replayed), result
    return result


def refused(result: SaveResult) -> tuple[str, bool]:
    """The code of a save that has to have been refused, and whether anything is in doubt."""
    assert isinstance(result, Refused), result
    is_in_doubt = result.refusal.details.get("outcome") == "indeterminate"
    return result.refusal.code.value, is_in_doubt


def in_background(call: Callable[[], SaveResult]) -> tuple[threading.Thread, list[SaveResult]]:
    """Makes a call in a thread of its own; its answer is in the list when the thread is over."""
    results: list[SaveResult] = []
    thread = threading.Thread(target=lambda: results.append(call()), name="caller")
    thread.start()
    return thread, results


def ask(target: Target, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
    """The rows that a query returns, asked past every proxy."""
    with psycopg.connect(target.owner, autocommit=True) as connection:
        return connection.execute(query, values).fetchall()


def waiting(target: Target, beginning: str) -> list[int]:
    """Server processes that wait for a lock in a statement that begins so."""
    found = ask(
        target,
        """
        SELECT pid
        FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE %s || '%%'
        """,
        beginning,
    )
    return [pid for (pid,) in found]


def idle_in_transaction(target: Target) -> list[int]:
    """Server processes of the application whose transaction waits for its client."""
    found = ask(
        target,
        """
        SELECT pid
        FROM pg_stat_activity
        WHERE datname = current_database() AND state = 'idle in transaction' AND usename = %s
        """,
        APP_ROLE,
    )
    return [pid for (pid,) in found]


def terminate(target: Target, *pids: int) -> None:
    """Ends server processes as an administrator would."""
    for pid in pids:
        ask(target, "SELECT pg_terminate_backend(%s)", pid)
