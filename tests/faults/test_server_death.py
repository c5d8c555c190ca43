"""The server dies under load and comes back: nothing acknowledged is missing."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from engine.attempts.partitions import ensure_partitions
from engine.clock import SystemClock
from engine.database.cluster import Cluster
from engine.database.migrate import migrate_up
from engine.database.target import APP_ROLE, DATABASE_NAME, OWNER_ROLE, Target, bootstrap
from engine.readiness.probes.history import INDETERMINATE, REFUSED, REPLAYED, SAVED
from engine.runtime import open_runtime
from engine.settings import Settings
from engine.worker import open_worker
from tests.database.cluster_harness import eventually, kill_server, open_directory, postmasters
from tests.faults.load import Dice, Load, new_seed
from tests.faults.scene import Scene, open_scene

# So many answered saves before something happens, and again after it is over.
_SAVES = 60
# A save that is in doubt while the server restarts may take its whole budget.
PATIENT = {"save_budget": timedelta(seconds=10), "pool_wait": timedelta(seconds=1)}

Death = Callable[[Cluster], object]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A server of this module's own, to be killed."""
    with open_directory() as directory:
        cluster = Cluster(directory / "cluster", grace=timedelta(0))
        cluster.start()
        bootstrap(cluster.conninfo("postgres"), DATABASE_NAME)
        owner = cluster.conninfo(DATABASE_NAME, OWNER_ROLE)
        migrate_up(owner, SystemClock())
        with psycopg.connect(owner, autocommit=True) as connection:
            ensure_partitions(connection, SystemClock().now())
        yield cluster
        cluster.stop()


@pytest.fixture
def mortal(cluster: Cluster) -> Target:
    """The database on it."""
    return Target(
        app=cluster.conninfo(DATABASE_NAME, APP_ROLE),
        owner=cluster.conninfo(DATABASE_NAME, OWNER_ROLE),
    )


def killed_with_all_its_children(cluster: Cluster) -> None:
    kill_server(cluster, with_children=True)


def stopped_at_once(cluster: Cluster) -> None:
    """pg_ctl -m immediate: 57P02, no rollback, recovery at the next start."""
    (server,) = postmasters(cluster)
    server.send_signal(signal.SIGQUIT)
    assert eventually(lambda: not server.is_running())


def stopped_fast(cluster: Cluster) -> None:
    """pg_ctl -m fast: 57P01, everything open is rolled back."""
    cluster.stop()


def await_saves(scene: Scene, more: int = _SAVES) -> None:
    """Waits until so many more saves have been answered as done."""
    aim = scene.history.count(SAVED) + more
    assert eventually(lambda: scene.history.count(SAVED) >= aim, 60)


def tell(name: str, scene: Scene) -> None:
    counts = {each: scene.history.count(each) for each in (SAVED, REPLAYED, REFUSED, INDETERMINATE)}
    sys.stdout.write(f"{name}: {len(scene.history.calls)} attempts, answered {counts}\n")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "deaths", [1, pytest.param(10, marks=pytest.mark.slow)], ids=["once", "ten times"]
)
@pytest.mark.parametrize("death", [killed_with_all_its_children, stopped_at_once, stopped_fast])
def test_a_server_that_dies_under_load_keeps_every_promise(
    tmp_path: Path, cluster: Cluster, mortal: Target, write_form: str, death: Death, deaths: int
) -> None:
    with open_scene(tmp_path, mortal, write_form=write_form, **PATIENT) as scene:
        with Load(scene, new_seed()).running():
            for _ in range(deaths):
                await_saves(scene)
                death(cluster)
                cluster.start()
            await_saves(scene)
        tell(f"{write_form}, {death.__name__}", scene)


def test_a_server_that_dies_while_nobody_saves_is_started_again(
    tmp_path: Path, cluster: Cluster, mortal: Target
) -> None:
    target = replace(mortal, cluster=cluster)
    with open_runtime(Settings(data_dir=tmp_path), target) as runtime, open_worker(runtime):
        killed_with_all_its_children(cluster)
        assert not cluster.is_answering()

        assert eventually(cluster.is_answering, 30)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "times", [40, pytest.param(1_000, marks=pytest.mark.slow)], ids=["small", "full"]
)
@pytest.mark.parametrize("how", ["pg_terminate_backend", "pg_cancel_backend"])
def test_backends_that_are_ended_at_random_keep_every_promise(
    tmp_path: Path, mortal: Target, write_form: str, how: str, times: int
) -> None:
    with open_scene(tmp_path, mortal, write_form=write_form, **PATIENT) as scene:
        seed = new_seed()
        dice = Dice(f"{seed}:administrator")
        with Load(scene, seed).running(), psycopg.connect(mortal.owner, autocommit=True) as admin:
            for _ in range(times):
                await_saves(scene, 2)
                pids = admin.execute(
                    """
                    SELECT pid
                    FROM pg_stat_activity
                    WHERE datname = current_database() AND usename = %s AND state <> 'idle'
                    """,
                    [APP_ROLE],
                ).fetchall()
                if pids:
                    admin.execute(f"SELECT {how}(%s)".encode(), dice.pick(pids))
            await_saves(scene)
        tell(f"{write_form}, {how}", scene)
