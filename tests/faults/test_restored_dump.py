"""A dump of a busy server, restored into a young one: nothing wrong is told, and it is mended."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.database.binaries import find
from engine.database.cluster import Cluster
from engine.database.target import APP_ROLE, DATABASE_NAME, OWNER_ROLE, Target, bootstrap
from engine.rollups.restored import RestoredError, move_numbers
from engine.rollups.roller import rebuild, roll
from tests.database.attempt_rows import CLOCK, LIMITS, attempt, told, write
from tests.database.cluster_harness import open_directory
from tests.database.databases import run, value

# As a busy server would: its transactions are numbered far above a young one's.
_BUSY = """
    DO $$ BEGIN
        FOR turn IN 1..5000 LOOP
            PERFORM txid_current();
            COMMIT;
        END LOOP;
    END $$
"""


# Whether this server's numbers are still below those that came with the dump.
_IS_BELOW = """
    SELECT txid_current() <= greatest(max(txid), txid_snapshot_xmax(max(snapshot)::txid_snapshot))
    FROM attempt, rollup_state
"""


def mended_by_a_rebuild(restored: Target, connection: psycopg.Connection[Any]) -> None:
    with psycopg.connect(restored.owner, autocommit=True) as owner:
        move_numbers(owner)
    assert rebuild(connection, CLOCK, LIMITS) == 5


def mended_by_its_own_saves(restored: Target, connection: psycopg.Connection[Any]) -> None:
    """Their numbers pass those of the dump; nothing shows then that some were never counted."""
    while value(restored.app, _IS_BELOW):
        run(restored.app, _BUSY)
    with pytest.raises(RestoredError):
        told(restored.app)
    assert roll(connection, CLOCK, LIMITS) == 5


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mend", [mended_by_a_rebuild, mended_by_its_own_saves])
def test_a_restored_dump_is_noticed_and_mended(
    own_target: Target,
    server: str,
    tmp_path: Path,
    mend: Callable[[Target, psycopg.Connection[Any]], None],
) -> None:
    run(own_target.app, _BUSY)
    write(own_target.app, *[attempt(CLOCK.now()) for _ in range(3)])
    with psycopg.connect(own_target.app, autocommit=True) as connection:
        assert roll(connection, CLOCK, LIMITS) == 3
    write(own_target.app, attempt(CLOCK.now()))
    name = str(conninfo_to_dict(own_target.owner)["dbname"])
    programs, dump = find().bindir, tmp_path / "dump.sql"
    source = make_conninfo(server, dbname=name)
    subprocess.run([programs / "pg_dump", f"--file={dump}", source], check=True)  # noqa: S603

    with open_directory() as directory:
        cluster = Cluster(directory / "cluster", grace=timedelta(0))
        cluster.start()
        try:
            bootstrap(cluster.conninfo("postgres"), DATABASE_NAME)
            young = cluster.conninfo(DATABASE_NAME)
            options = ("--quiet", "--set=ON_ERROR_STOP=1", f"--file={dump}")
            run(young, "DROP SCHEMA public")
            run(young, "CREATE SCHEMA public AUTHORIZATION pg_database_owner")
            subprocess.run(  # noqa: S603
                [programs / "psql", *options, young], check=True, stdout=subprocess.DEVNULL
            )
            check(
                Target(
                    app=cluster.conninfo(DATABASE_NAME, APP_ROLE),
                    owner=cluster.conninfo(DATABASE_NAME, OWNER_ROLE),
                ),
                mend,
            )
        finally:
            cluster.stop()


def check(restored: Target, mend: Callable[[Target, psycopg.Connection[Any]], None]) -> None:
    """Saves go on there; what is told is right, or nothing is."""
    write(restored.app, attempt(CLOCK.now()))
    low, high = "SELECT min(txid) FROM attempt", "SELECT max(txid) FROM attempt"
    assert value(restored.app, low) + 4_000 < value(restored.app, high)
    with psycopg.connect(restored.app, autocommit=True) as connection:
        with pytest.raises(RestoredError):
            roll(connection, CLOCK, LIMITS)
        with pytest.raises(RestoredError):
            told(restored.app)

        mend(restored, connection)
        for more in range(1, 4):
            assert told(restored.app) == 4 + more
            write(restored.app, attempt(CLOCK.now()))
            assert told(restored.app) == 5 + more
            assert roll(connection, CLOCK, LIMITS) == 1
            assert roll(connection, CLOCK, LIMITS) == 0
