"""Settings become conninfos, a server gets our roles and database, and whoever cannot is told."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.database import target as target_module
from engine.database.migrate import migrate_up, migration_status
from engine.database.target import APP_ROLE, OWNER_ROLE, Target, bootstrap, explain, open_target
from engine.settings import Settings, load_settings
from tests.database.databases import CANARY, CLOCK, refusal, rows, run, unique, value


def url_of(conninfo: str, scheme: str = "postgresql", **more: str) -> str:
    """The same as a URL."""
    given = conninfo_to_dict(conninfo) | more
    options = "&".join(f"{key}={given[key]}" for key in ("host", "port"))
    return f"{scheme}://{given['user']}@/{given['dbname']}?{options}"


def settings_of(directory: Path, **variables: str) -> Settings:
    """Settings as an environment gives them."""
    return load_settings({"SAVEGUARD_DATA_DIR": str(directory), **variables})


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_one_url_is_for_the_application_and_for_its_owner(
    scheme: str, target: Target, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=url_of(target.app, scheme))

    found = open_target(settings)

    assert found.app == found.owner
    assert found.cluster is None
    assert value(found.app, "SELECT current_user") == APP_ROLE
    assert "connect_timeout" in conninfo_to_dict(found.app)


def test_the_owner_may_have_a_url_of_its_own(target: Target, tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        DATABASE_URL=url_of(target.app),
        SAVEGUARD_OWNER_DATABASE_URL=url_of(target.owner),
        POOLER="transaction",
    )

    found = open_target(settings)

    assert value(found.owner, "SELECT current_user") == OWNER_ROLE
    assert found.pooler == "transaction"
    assert "host" not in repr(found)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"sqlite:///{CANARY}.db", "DATABASE_URL: must start with postgresql:// ;"),
        (f"postgresql://ana:{CANARY}@/x?nonsense=1", "DATABASE_URL: is not a well-formed"),
        (f"postgresql://ana:{CANARY}%zz@/x", "DATABASE_URL: is not a well-formed"),
        (
            f"postgresql://ana:{CANARY}@127.0.0.1:1/x",
            "DATABASE_URL: cannot use the database at 127.0.0.1:1: Connection refused",
        ),
    ],
    ids=["scheme", "option", "escape", "port"],
)
def test_a_url_that_will_not_do_is_refused_by_name(url: str, reason: str, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, DATABASE_URL=url)

    assert refusal(lambda: open_target(settings)).startswith(reason)


def test_the_owners_url_is_refused_by_its_own_name(target: Target, tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        DATABASE_URL=url_of(target.app),
        SAVEGUARD_OWNER_DATABASE_URL=f"postgresql://ana:{CANARY}@127.0.0.1:1/x",
    )

    message = refusal(lambda: open_target(settings))

    assert message.startswith("SAVEGUARD_OWNER_DATABASE_URL: cannot use the database at ")


def test_a_server_that_is_too_old_is_refused(
    target: Target, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(target_module, "_OLDEST_SERVER", 990_000)
    settings = settings_of(tmp_path, DATABASE_URL=url_of(target.app))

    message = refusal(lambda: open_target(settings))

    assert message.startswith("DATABASE_URL: this is PostgreSQL ")
    assert message.endswith(", and Saveguard needs 99 or newer")


def test_a_database_that_cannot_hold_every_name_is_refused(server: str, tmp_path: Path) -> None:
    name = unique("latin")
    run(server, f"CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        latin = make_conninfo(server, dbname=name)
        settings = settings_of(tmp_path, DATABASE_URL=url_of(latin))

        message = refusal(lambda: open_target(settings))
    finally:
        run(server, f"DROP DATABASE {name}")

    assert message.startswith("DATABASE_URL: the database's encoding is LATIN1")


_SAID = {
    "FATAL": 'connection to server at "db", port 5432 failed: FATAL:  no entry for host "10.0.0.2"',
    "hint": 'connection to server at "db" failed: No such host\n\tIs the server running there?',
    "own": "connection timeout expired",
    "hosts": "All failures were:\n- host: 'a': failed: refused\n- host: 'b': failed: timed out",
    "secret": f"FATAL: who is {CANARY}",
    "nothing": "",
}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("FATAL", 'no entry for host "10.0.0.2"'),
        ("hint", "No such host"),
        ("own", "connection timeout expired"),
        ("hosts", "timed out"),
        ("secret", "the server refused the connection"),
        ("nothing", "OperationalError"),
    ],
)
def test_what_libpq_says_becomes_one_line(said: str, reason: str) -> None:
    line = explain(psycopg.OperationalError(_SAID[said]), f"host=db password={CANARY}")

    assert line == f"cannot use the database at db:5432: {reason}"


# --- bootstrap ------------------------------------------------------------------------------------


@pytest.fixture
def names(server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, str, str]]:
    """Owner, application role and database that no server has yet; the roles are ours meanwhile."""
    found = unique("owner"), unique("app"), unique("made")
    monkeypatch.setattr(target_module, "OWNER_ROLE", found[0])
    monkeypatch.setattr(target_module, "APP_ROLE", found[1])
    yield found
    with psycopg.connect(server, autocommit=True) as connection:
        execute(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", found[2])
        for role in found[:2]:
            execute(connection, "DROP ROLE IF EXISTS {}", role)


def execute(connection: psycopg.Connection[Any], statement: str, *names: str) -> None:
    connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture
def operator(server: str, names: tuple[str, str, str]) -> Iterator[str]:
    """A role that may create databases and roles, and is no superuser."""
    role = unique("operator")
    run(server, f"CREATE ROLE {role} LOGIN CREATEDB CREATEROLE")
    yield make_conninfo(server, user=role)
    with psycopg.connect(server, autocommit=True) as connection:
        execute(connection, "DROP DATABASE IF EXISTS {} WITH (FORCE)", names[2])
        execute(connection, "REASSIGN OWNED BY {} TO postgres", role)
        execute(connection, "DROP OWNED BY {} CASCADE", role)
        execute(connection, "DROP ROLE {}", role)


def test_bootstrap_makes_what_is_missing_and_nothing_twice(
    server: str, names: tuple[str, str, str]
) -> None:
    owner, app, database = names

    bootstrap(server, database)
    bootstrap(server, database)

    made = make_conninfo(server, dbname=database)
    assert value(made, "SELECT current_setting('server_encoding')") == "UTF8"
    query = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert value(made, query) == owner
    assert value(make_conninfo(made, user=app), "SELECT current_user") == app
    # With one URL for everything the application's role is taken on the owner's connections.
    run(make_conninfo(made, user=owner), f"SET ROLE {app}")


def test_bootstrap_gives_a_login_to_the_role_that_a_migration_made(
    server: str, names: tuple[str, str, str]
) -> None:
    _, app, database = names
    run(server, f"CREATE ROLE {app} NOLOGIN")

    bootstrap(server, database)

    assert value(make_conninfo(server, dbname=database, user=app), "SELECT current_user") == app


def test_several_processes_bootstrap_one_server(server: str, names: tuple[str, str, str]) -> None:
    meet = Barrier(3, timeout=30)

    def make() -> None:
        meet.wait()
        bootstrap(server, names[2])

    with ThreadPoolExecutor(3) as threads:
        for future in [threads.submit(make) for _ in range(3)]:
            future.result(timeout=60)

    assert set(names[:2]) <= {name for (name,) in rows(server, "SELECT rolname FROM pg_roles")}


@pytest.mark.usefixtures("template")  # with which the server has the role that migrations grant to
def test_an_operator_who_is_no_superuser_bootstraps_a_server(
    operator: str, names: tuple[str, str, str]
) -> None:
    owner, app, database = names

    bootstrap(operator, database)
    bootstrap(operator, database)

    made = make_conninfo(operator, dbname=database, user=owner)
    migrate_up(made, CLOCK)
    assert migration_status(made).pending == ()
    assert rows(made, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == [
        (owner,)
    ]
    run(made, f"SET ROLE {app}")


@pytest.mark.parametrize("missing", ["CREATEDB", "CREATEROLE"])
def test_bootstrap_without_the_privileges_says_which_it_needs(
    operator: str, names: tuple[str, str, str], server: str, missing: str
) -> None:
    run(server, f"ALTER ROLE {conninfo_to_dict(operator)['user']} NO{missing}")

    message = refusal(lambda: bootstrap(operator, names[2]))

    assert "a role with CREATEROLE and CREATEDB can" in message


def test_bootstrap_of_a_server_that_does_not_answer_says_so() -> None:
    message = refusal(lambda: bootstrap(f"host=127.0.0.1 port=1 password={CANARY}", "any"))

    assert message == "cannot use the database at 127.0.0.1:1: Connection refused"
