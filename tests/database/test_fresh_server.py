"""On a server that has never seen us, the oldest supported one and our own, a save works."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import make_conninfo

from engine.attempts.partitions import ensure_partitions, missing_days
from engine.database.account import server_account
from engine.database.migrate import migrate_down, migrate_up, migration_status
from engine.database.pool import Pool
from engine.database.target import (
    APP_ROLE,
    DATABASE_NAME,
    OWNER_ROLE,
    Target,
    bootstrap,
    embedded_target,
)
from engine.runtime import open_runtime
from engine.settings import Settings
from tests.database.cluster_harness import open_directory
from tests.database.databases import CLOCK, REVISIONS, fill, refusal, run, value
from tests.golden.regenerate import SCHEMA, schema_of
from tests.support import new_agency

_OLDEST: Final = 15
_PORT: Final = 5432
_PLACES: Final = "/usr/lib/postgresql"  # where Debian and its relatives put them


@pytest.fixture(scope="module", params=["oldest", "embedded"])
def superuser(request: pytest.FixtureRequest) -> Iterator[str]:
    """Conninfo of a superuser on a server of this module's own."""
    with open_directory() as directory:
        if request.param == "oldest":
            yield from _oldest(directory)
        else:
            target = embedded_target(directory)
            assert target.cluster is not None
            yield target.cluster.conninfo("postgres")
            target.cluster.stop()


def _oldest(directory: Path) -> Iterator[str]:
    programs = _programs(_OLDEST)
    if programs is None:
        pytest.skip(
            f"NOT TESTED ON POSTGRESQL {_OLDEST}, the oldest that we support: no initdb of that "
            f"version is on PATH, where pg_config says, or in {_PLACES}/*/bin"
        )
    data = directory / "data"
    data.mkdir()
    account = server_account(directory / "nothing")
    account.give(data)
    variables = {"PGDATA": str(data)}
    initdb = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
    assert account.run(programs / "initdb", *initdb, variables=variables)[0] == 0
    (data / "postgresql.auto.conf").write_text(
        f"listen_addresses = ''\nunix_socket_directories = '{data}'\nfsync = off\n"
    )
    code, said = account.run(
        *(programs / "pg_ctl", "start", "--wait", "--silent", f"--log={data}/server.log"),
        variables=variables,
    )
    assert code == 0, said
    try:
        yield f"host={data} port={_PORT} dbname=postgres user=postgres"
    finally:
        account.run(
            *(programs / "pg_ctl", "stop", "--silent", "--mode=immediate"), variables=variables
        )


def _programs(major: int) -> Path | None:
    """The directory of PostgreSQL's programs of a version, if this machine has it."""
    on_path = shutil.which("initdb")
    places = [Path(on_path).parent] if on_path else []
    pg_config = shutil.which("pg_config")
    if pg_config:
        places.append(Path(_said([pg_config, "--bindir"])))
    places += sorted(Path(_PLACES).glob("*/bin"))
    for place in places:
        if (place / "initdb").exists() and (place / "pg_ctl").exists():
            version = re.search(r"PostgreSQL\) (\d+)", _said([str(place / "initdb"), "--version"]))
            if version is not None and int(version[1]) == major:
                return place
    return None


def _said(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()  # noqa: S603 - PostgreSQL's own programs


@pytest.fixture
def fresh(superuser: str) -> str:
    """The server without anything of ours on it."""
    with psycopg.connect(superuser, autocommit=True) as connection:
        databases = "SELECT datname FROM pg_database WHERE datname !~ '^(template.|postgres)$'"
        roles = "SELECT rolname FROM pg_roles WHERE rolname !~ '^(pg_.*|postgres)$'"
        for (name,) in connection.execute(databases).fetchall():
            connection.execute(sql.SQL("DROP DATABASE {} (FORCE)").format(sql.Identifier(name)))
        for (name,) in connection.execute(roles).fetchall():
            connection.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
        for (name,) in connection.execute(roles).fetchall():
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    return superuser


def test_the_schema_goes_up_down_and_up_and_is_the_golden_one(fresh: str) -> None:
    run(fresh, "CREATE ROLE operator LOGIN CREATEDB CREATEROLE")
    bootstrap(make_conninfo(fresh, user="operator"), DATABASE_NAME)
    owner = make_conninfo(fresh, dbname=DATABASE_NAME, user=OWNER_ROLE)

    for revision in REVISIONS:
        migrate_up(owner, CLOCK, revision)
        fill(owner, revision)
    migrate_down(owner, CLOCK, "0001")
    migrate_up(owner, CLOCK)
    with psycopg.connect(owner, autocommit=True) as connection:
        ensure_partitions(connection, CLOCK.now())
        assert missing_days(connection, CLOCK.now()) == []

    assert schema_of(owner) == SCHEMA.read_text(encoding="utf-8")
    migrate_down(owner, CLOCK, "base")
    assert migration_status(owner).current is None


@pytest.mark.parametrize("write_form", ["one-statement", "several-statements"])
def test_with_one_url_that_made_everything_a_save_works_and_the_ledger_is_append_only(
    fresh: str, settings: Settings, write_form: str
) -> None:
    # As a managed server gives it: a role that may make roles, and owns one database.
    run(fresh, "CREATE ROLE manager LOGIN CREATEROLE", "CREATE DATABASE given OWNER manager")
    only = make_conninfo(fresh, dbname="given", user="manager")
    migrate_up(only, CLOCK)
    with psycopg.connect(only, autocommit=True) as connection:
        ensure_partitions(connection, CLOCK.now())
    chosen = settings.model_copy(update={"write_form": write_form})

    with open_runtime(chosen, Target(app=only, owner=only)) as runtime:
        agency = new_agency(runtime)
        quote_id = agency.create()
        assert agency.update(quote_id, 1, tripName="Porto").http_status == 200

        with runtime.read_pool.connection() as connection:
            user = connection.execute("SELECT session_user::text, current_user::text").fetchone()
            assert user == ("manager", APP_ROLE)
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute("UPDATE attempt SET outcome = 5")
        assert [row["outcome"] for row in agency.attempts()] == ["committed", "committed"]
    assert value(only, "SELECT count(*) FROM quote_revision") == 2


def test_a_role_that_cannot_make_the_application_role_is_told_what_helps(
    fresh: str, settings: Settings
) -> None:
    run(fresh, "CREATE ROLE plain LOGIN", "CREATE DATABASE given OWNER plain")
    plain = make_conninfo(fresh, dbname="given", user="plain")

    message = refusal(lambda: migrate_up(plain, CLOCK))

    advice = "CREATE ROLE saveguard_app; GRANT saveguard_app TO plain"
    assert f"as a superuser run {advice}; then try again" in message
    run(fresh, *advice.split("; "))
    migrate_up(plain, CLOCK)
    pool = Pool(Target(app=plain, owner=plain), settings, CLOCK, size=1)
    pool.open()
    try:
        with pool.connection() as connection:
            user = connection.execute("SELECT current_user::text").fetchone()
    finally:
        pool.close()
    assert user == (APP_ROLE,)
