"""One server for the session, one migrated template, one clone of it for each test."""

from __future__ import annotations

import gc
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from secrets import token_hex
from typing import Final

import psycopg
import pytest
import structlog
from psycopg import sql
from psycopg.conninfo import make_conninfo

from engine.attempts.partitions import ensure_partitions
from engine.clock import SystemClock
from engine.database.migrate import migrate_up
from engine.database.target import OWNER_ROLE, Target, bootstrap
from engine.runtime import Runtime, open_runtime
from engine.settings import Settings
from tests import sabotage
from tests.database.databases import cloned
from tests.support import Agency, new_agency

# Another server to run the database tests on, as a role that may create databases and roles.
SERVER_VARIABLE = "SAVEGUARD_TEST_DATABASE_URL"
_TEMPLATE = "saveguard_template"
# Files that take long, and wait for a page or a process most of that time.
_WAITING = (
    "tests/browser/",
    "tests/canaries/",
    "tests/faults/",
    "tests/api/test_schemathesis",
    "tests/database/test_cli_serving",
    "tests/database/test_cluster",
    "tests/database/test_pages",
    "tests/database/test_replay_command",
    "tests/database/test_running",
)
# The last of them begins when so much of the others is done: begun later, it would run alone.
_BEGUN_AFTER: Final = 0.75


# A few hundred files for each database: where many were removed a moment ago, ext4 takes longer and
# longer to make the next. In memory a database is there in a fifth of the time.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # made with a name of its own
_ROOM_BYTES: Final = 4 * 2**30
_FLEETING: Final = {
    "fsync": "off",
    "full_page_writes": "off",
    "max_wal_size": "512MB",
    "min_wal_size": "128MB",
}


def _in_memory() -> Path | None:
    """Where files are kept in memory, if there is room; None for the usual place."""
    is_there = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    return _MEMORY if is_there and shutil.disk_usage(_MEMORY).free > _ROOM_BYTES else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spreads what waits among what computes, so that the cores have something to do meanwhile."""
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    waiting = [name for name in files if name.startswith(_WAITING)]
    busy = [name for name in files if not name.startswith(_WAITING)]
    between = int(len(busy) * _BEGUN_AFTER / max(len(waiting), 1))
    order = []
    for name in waiting:
        order += [name, *busy[:between]]
        del busy[:between]
    items[:] = [item for name in [*order, *busy] for item in files[name]]


def pytest_collection_finish() -> None:
    """Spares what thirteen thousand tests are made of from being looked through for garbage."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """A test that plants a fault has to have seen the boxes red that it names."""
    sabotage.begin()
    yield
    sabotage.must_have_shown(item.iter_markers("sabotage"))


@pytest.fixture(autouse=True, scope="session")
def _scrubbed_environment() -> Iterator[None]:
    """Nothing of the developer's own environment decides a test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            foreign = name.startswith(("PG", "SAVEGUARD_", "TELEGRAM_", "ALERT_", "STREAMLIT_"))
            if (foreign or name in {"DATABASE_URL", "POOLER"}) and name != SERVER_VARIABLE:
                patch.delenv(name)
        yield


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command that a test runs in this process sets up logging for the process."""
    yield
    structlog.reset_defaults()
    logging.getLogger("psycopg.pool").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def reachable_dir() -> Iterator[Path]:
    """A directory that the server's user can enter, also when the tests run as root."""
    path = Path(tempfile.mkdtemp(prefix="saveguard-tests-", dir=_in_memory()))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def server(reachable_dir: Path) -> Iterator[str]:
    """Conninfo of a real PostgreSQL, as a role that may do anything on it."""
    from engine.database.cluster import Cluster  # noqa: PLC0415  # not needed with a server given

    given = os.environ.get(SERVER_VARIABLE)
    if given:
        yield given
        return
    # Nearly two thousand databases are made and dropped. What a power cut would leave of them is
    # nobody's business; tests of durability have servers of their own, on the disk.
    cluster = Cluster(reachable_dir / "postgresql", settings=_FLEETING)
    cluster.start()
    yield cluster.conninfo("postgres")
    cluster.stop()


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    """Name of a migrated database with its daily partitions, to be cloned."""
    name = f"{_TEMPLATE}_{token_hex(4)}"
    bootstrap(server, name)
    owner = make_conninfo(server, dbname=name, user=OWNER_ROLE)
    clock = SystemClock()
    migrate_up(owner, clock)
    with psycopg.connect(owner, autocommit=True) as connection:
        ensure_partitions(connection, clock.now())
    yield name
    _drop(server, name)


@pytest.fixture
def target(server: str, template: str) -> Iterator[Target]:
    """A database of this test's own."""
    with cloned(server, template) as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a journal of this test's own."""
    return Settings(data_dir=tmp_path)


@pytest.fixture
def runtime(settings: Settings, target: Target) -> Iterator[Runtime]:
    """An open engine that fails the test when something unclassified happens."""
    surprises: list[BaseException] = []
    with open_runtime(
        settings, target, report=lambda _correlation_id, error: surprises.append(error)
    ) as opened:
        yield opened
    assert surprises == []


@pytest.fixture
def agency(runtime: Runtime) -> Agency:
    """An agent with a client, and short words for what it does."""
    return new_agency(runtime)


def _drop(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )
