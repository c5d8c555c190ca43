"""The ledger and the revisions are append-only for whoever the engine connects as."""

# ruff: noqa: S608 - statements are put together from constants of this file

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Final

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.attempts.partitions import ensure_partitions, partition_name
from engine.database.migrate import migrate_up
from engine.database.pool import Pool
from engine.database.target import APP_ROLE, OWNER_ROLE, Target
from engine.settings import Settings
from tests.database.databases import CLOCK, blank_database, rows, run, unique, value
from tests.support import Agency

_TODAY: Final = partition_name(CLOCK.now().date())
_LATER: Final = CLOCK.now() + timedelta(days=30)
_ANY_TRIGGER: Final = "suppress_redundant_updates_trigger"
_EVIDENCE: Final = ["attempt", "attempt_default", _TODAY, "quote_revision"]


@contextmanager
def opened(target: Target, settings: Settings) -> Iterator[Pool]:
    """A pool for the length of a block."""
    pool = Pool(target, settings, CLOCK, size=1)
    pool.open()
    try:
        yield pool
    finally:
        pool.close()


@pytest.fixture
def later(target: Target) -> str:
    """A daily partition that is made long after the migration."""
    with psycopg.connect(target.owner, autocommit=True) as connection:
        ensure_partitions(connection, _LATER)
    return partition_name(_LATER.astimezone(UTC).date())


def refused(conninfo: str, statement: str) -> bool:
    """Whether the privileges do not allow a statement."""
    try:
        run(conninfo, statement)
    except errors.InsufficientPrivilege:
        return True
    return False


@pytest.mark.parametrize("table", _EVIDENCE)
def test_the_application_role_cannot_change_or_remove_evidence(agency: Agency, table: str) -> None:
    agency.create()
    app = agency.runtime.target.app

    changes = {
        "UPDATE": f"UPDATE {table} SET agent_id = agent_id",
        "UPDATE of one row": f"UPDATE {table} SET agent_id = agent_id WHERE false",
        "DELETE": f"DELETE FROM {table}",
        "TRUNCATE": f"TRUNCATE {table}",
        "DROP": f"DROP TABLE {table}",
        "ALTER": f"ALTER TABLE {table} RENAME TO renamed",
        "OWNER": f"ALTER TABLE {table} OWNER TO {APP_ROLE}",
        "TRIGGER": f"CREATE TRIGGER t BEFORE UPDATE ON {table} EXECUTE FUNCTION {_ANY_TRIGGER}()",
        "DETACH": f"ALTER TABLE attempt DETACH PARTITION {_TODAY}",
        "RULE": f"CREATE RULE r AS ON INSERT TO {table} DO INSTEAD NOTHING",
    }

    with suppress(errors.InsufficientPrivilege):  # or a warning that nothing was granted
        run(app, f"GRANT ALL ON {table} TO {APP_ROLE}")
    assert [name for name, statement in changes.items() if not refused(app, statement)] == []
    assert len(agency.attempts()) == 1


def test_the_application_role_cannot_overwrite_an_attempt_by_inserting_it_again(
    agency: Agency,
) -> None:
    agency.create()
    columns = "agent_id, started_at, id"

    with (
        psycopg.connect(agency.runtime.target.app) as connection,
        pytest.raises(errors.InsufficientPrivilege),
    ):
        connection.execute(f"""
            INSERT INTO attempt SELECT * FROM attempt
            ON CONFLICT ({columns}) DO UPDATE SET outcome = 5
        """)


@pytest.mark.parametrize("statement", ["DELETE FROM quote", "TRUNCATE quote", "DROP TABLE quote"])
def test_the_application_role_cannot_remove_quotes(target: Target, statement: str) -> None:
    assert refused(target.app, statement)


def test_the_application_role_makes_no_tables_and_moves_no_revision(target: Target) -> None:
    assert refused(target.app, "CREATE TABLE mine (id int)")
    assert refused(target.app, "UPDATE alembic_version SET version_num = '0001'")
    assert refused(target.app, f"SET ROLE {OWNER_ROLE}")
    assert not refused(target.app, "SELECT * FROM alembic_version")


def test_the_application_role_reads_and_adds_what_a_save_needs(agency: Agency) -> None:
    quote_id = agency.create()

    assert agency.update(quote_id, 1, tripName="Porto").http_status == 200
    counts = "SELECT (SELECT count(*) FROM attempt), (SELECT count(*) FROM quote_revision)"
    assert rows(agency.runtime.target.app, counts) == [(2, 2)]


def test_a_later_partition_gives_the_application_role_nothing_of_its_own(
    target: Target, later: str
) -> None:
    privileges = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"]

    assert value(target.app, f"SELECT to_regclass('{later}')") == later
    assert [
        privilege
        for privilege in privileges
        if value(target.app, f"SELECT has_table_privilege('{later}', '{privilege}')")
    ] == []


def test_default_privileges_of_somebody_else_open_nothing(server: str) -> None:
    with blank_database(server) as target:
        run(target.owner, f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {APP_ROLE}, PUBLIC")
        migrate_up(target.owner, CLOCK)
        with psycopg.connect(target.owner, autocommit=True) as connection:
            made = ensure_partitions(connection, CLOCK.now())

        for table in (*_EVIDENCE, *made):
            assert refused(target.app, f"DELETE FROM {table}"), table
            assert refused(target.app, f"UPDATE {table} SET agent_id = agent_id"), table
        assert refused(target.app, f"INSERT INTO {made[0]} SELECT * FROM attempt")
        assert refused(target.app, "DELETE FROM quote")


@pytest.fixture
def member(server: str) -> Iterator[str]:
    """A login of the operator's own, which was given the application's role."""
    role = unique("member")
    with psycopg.connect(server, autocommit=True) as connection:
        names = sql.Identifier(role), sql.Identifier(APP_ROLE)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE {}").format(*names))
        yield role
        connection.execute(sql.SQL("DROP ROLE {}").format(names[0]))


@pytest.mark.parametrize("login", ["application", "owner", "superuser", "member"])
def test_nobody_changes_the_ledger_through_a_pool(
    login: str, agency: Agency, server: str, member: str, settings: Settings
) -> None:
    target = agency.runtime.target
    dbname = conninfo_to_dict(target.app)["dbname"]
    logins = {
        "application": target.app,
        "owner": target.owner,
        "superuser": make_conninfo(server, dbname=dbname),
        "member": make_conninfo(target.app, user=member),
    }
    agency.create()

    with opened(Target(app=logins[login], owner=target.owner), settings) as pool:
        for statement in (
            "UPDATE attempt SET outcome = 5",
            f"DELETE FROM {_TODAY}",
            "DELETE FROM quote_revision",
            "TRUNCATE quote_revision",
            "DROP TABLE attempt",
        ):
            with pool.connection() as connection, pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)

    assert agency.attempts()[0]["outcome"] == "committed"


def test_behind_a_pooler_the_owner_does_not_change_the_ledger_either(
    agency: Agency, settings: Settings
) -> None:
    agency.create()
    owner = agency.runtime.target.owner

    with opened(Target(app=owner, owner=owner, pooler="transaction"), settings) as pool:
        for statement in (
            "UPDATE attempt SET outcome = 5",
            "DELETE FROM attempt_default",
            f"DELETE FROM {_TODAY}",
            "TRUNCATE quote_revision",
        ):
            with pool.connection() as connection, pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)


def test_the_owner_can_still_retire_a_day(target: Target) -> None:
    run(target.owner, f"ALTER TABLE attempt DETACH PARTITION {_TODAY}", f"DROP TABLE {_TODAY}")

    assert value(target.owner, f"SELECT to_regclass('{_TODAY}')") is None


def test_behind_a_pooler_instants_are_in_utc_whatever_the_servers_zone(
    server: str, target: Target, settings: Settings
) -> None:
    database = str(conninfo_to_dict(target.app)["dbname"])
    with psycopg.connect(server, autocommit=True) as superuser:
        superuser.execute(
            sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Kolkata'").format(
                sql.Identifier(database)
            )
        )

    pooled = replace(target, pooler="transaction")
    with opened(pooled, settings) as pool, pool.connection() as connection:
        row = connection.execute("SELECT current_setting('timezone'), now()").fetchone()

    assert row is not None
    zone, instant = row
    assert zone == "Asia/Kolkata"
    assert instant.tzinfo is UTC
