"""Rollups and tail say what the raw rows say, at every moment and whatever is killed meanwhile."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg import sql

from engine.attempts.partitions import ensure_partitions
from engine.attempts.tables import QueuedAttempt
from engine.database.cluster import Cluster
from engine.database.migrate import migrate_up
from engine.database.sql import table_of
from engine.database.target import APP_ROLE, DATABASE_NAME, OWNER_ROLE, Target, bootstrap
from engine.rollups import roller
from engine.rollups.feeds import Feed, Taking, every_attempt
from tests.database.cluster_harness import kill_server, open_directory
from tests.faults.load import Dice, new_seed
from tests.faults.programs import start
from tests.faults.rolling_program import LIMITS
from tests.faults.rollup_load import CLOCK, Checker, Writers

_ROLLER: Final = Path(__file__).with_name("rolling_program.py")


@contextmanager
def rollers(target: Target, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Some processes that roll in competition."""
    started = [start(_ROLLER, target.app) for _ in range(count)]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.communicate()


# Each comparison reads all rows, so many short rounds compare more often than a long one.
_ROUNDS: Final = [
    pytest.param(8.0, id="small"),
    *(pytest.param(20.0, id=f"full-{number}", marks=pytest.mark.slow) for number in range(1, 7)),
]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("lasts_s", _ROUNDS)
@pytest.mark.parametrize("feed", ["snapshot", "queue"])
def test_rollups_and_tail_equal_the_raw_rows_while_rollers_are_killed(
    own_target: Target, feed: str, lasts_s: float
) -> None:
    seed = new_seed()
    if feed == "queue":
        use_queue(own_target)
    dice, checker, killed = Dice(f"{seed}:killer"), Checker(), 0
    writers = Writers(own_target.app, seed)
    with (
        rollers(own_target, 2) as processes,
        psycopg.connect(own_target.app, autocommit=True) as connection,
        writers.writing(),
    ):
        over = CLOCK.monotonic() + lasts_s
        next_kill = CLOCK.monotonic() + 0.3
        while CLOCK.monotonic() < over:
            checker.check(connection)
            if CLOCK.monotonic() > next_kill:
                victim = int(dice.chance() * len(processes))
                processes[victim].kill()
                processes[victim].communicate()
                processes[victim] = start(_ROLLER, own_target.app)
                killed += 1
                next_kill = CLOCK.monotonic() + 0.3 + 1.2 * dice.chance()
    judge(own_target, checker, f"{feed}, {killed} rollers killed, {dict(writers.done)}")


_PUT_ON_QUEUE: Final = """
    CREATE FUNCTION put_on_queue() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO attempt_queue ({names}) SELECT {names} FROM (SELECT NEW.*) AS added;
        RETURN NULL;
    END $$
"""


def use_queue(target: Target) -> None:
    """Has the rollups fed by the queue, and every attempt put on it by whoever writes one."""
    with psycopg.connect(target.app, autocommit=True) as connection:
        assert roller.rebuild(connection, CLOCK, LIMITS, feed="queue") is not None
    names = ", ".join(column.name for column in table_of(QueuedAttempt).columns)
    with psycopg.connect(target.owner, autocommit=True) as owner:
        # These writers are not the engine's: a trigger does what the save's statement does.
        owner.execute(_PUT_ON_QUEUE.format(names=names).encode())
        owner.execute("""
            CREATE TRIGGER put_on_queue AFTER INSERT ON attempt
            FOR EACH ROW EXECUTE FUNCTION put_on_queue()
        """)


def judge(target: Target, checker: Checker, story: str) -> None:
    """Compares once more, before and after a last run, and tells how it was."""
    with psycopg.connect(target.app, autocommit=True) as connection:
        checker.check(connection)
        assert roller.roll(connection, CLOCK, LIMITS) is not None
        checker.check(connection)
        state = roller.read_state(connection)
        (rows,) = connection.execute("SELECT count(*) FROM attempt").fetchone() or (0,)

    sys.stdout.write(
        f"{checker.checks} checks, {len(checker.bad)} bad, {rows} rows, {state.runs} runs,"
        f" longest tail {checker.longest_tail}, {story}\n"
    )
    assert checker.bad == []
    assert state.rolled == rows
    assert checker.longest_tail > 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "deaths", [2, pytest.param(20, marks=pytest.mark.slow)], ids=["small", "full"]
)
def test_rollups_survive_a_server_that_is_killed(deaths: int) -> None:
    seed, checker = new_seed(), Checker()
    with mortal_server() as (cluster, target):
        writers = Writers(target.app, seed, may_lose_server=True)
        with rollers(target, 2), writers.writing():
            for death in range(deaths + 1):
                # A new server has recovered what was committed, and nothing else.
                over = CLOCK.monotonic() + 1.5
                while CLOCK.monotonic() < over:
                    with psycopg.connect(target.app, autocommit=True) as connection:
                        checker.check(connection)
                if death < deaths:
                    kill_server(cluster, with_children=True)
                    cluster.start()
        judge(target, checker, f"{deaths} servers killed, {dict(writers.done)}")


@contextmanager
def mortal_server() -> Iterator[tuple[Cluster, Target]]:
    """A server of the test's own, with a migrated database on it."""
    with open_directory() as directory:
        cluster = Cluster(directory / "cluster", grace=timedelta(0))
        cluster.start()
        try:
            bootstrap(cluster.conninfo("postgres"), DATABASE_NAME)
            owner = cluster.conninfo(DATABASE_NAME, OWNER_ROLE)
            migrate_up(owner, CLOCK)
            with psycopg.connect(owner, autocommit=True) as connection:
                ensure_partitions(connection, CLOCK.now())
            yield cluster, Target(app=cluster.conninfo(DATABASE_NAME, APP_ROLE), owner=owner)
        finally:
            cluster.stop()


class HighestId:
    """What many a system does: everything up to the highest transaction seen is done with."""

    def __init__(self, snapshot: str | None) -> None:
        self._seen = snapshot

    def unrolled(self) -> sql.Composable:
        if self._seen is None:
            return every_attempt()
        highest = int(self._seen.split(":")[1]) - 1
        return sql.SQL("{} WHERE txid > {}").format(every_attempt(), sql.Literal(highest))

    def taking(self) -> Taking:
        return Taking(sql.SQL(""), self.unrolled())


@pytest.mark.timeout(120)
def test_the_checker_catches_a_watermark_of_the_highest_id(
    own_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    def careless(_name: str, snapshot: str | None) -> Feed:
        return HighestId(snapshot)

    monkeypatch.setattr(roller, "feed_of", careless)
    checker = Checker()
    with (
        psycopg.connect(own_target.app, autocommit=True) as connection,
        Writers(own_target.app, new_seed()).writing(),
    ):
        over = CLOCK.monotonic() + 20
        while not checker.bad and CLOCK.monotonic() < over:
            roller.roll(connection, CLOCK, LIMITS)
            checker.check(connection)

    assert checker.bad
