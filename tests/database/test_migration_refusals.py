"""What an operator reads when the database cannot be migrated: one line that says what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.database import migrate
from engine.database.migrate import migrate_down, migrate_up, migration_status
from engine.database.target import Target, open_target
from engine.settings import load_settings
from tests.database.databases import (
    CANARY,
    CLOCK,
    blank_database,
    refusal,
    rows,
    run,
    unique,
    value,
)

_EVERY_COMMAND: Final = [
    pytest.param(lambda conninfo: migrate_up(conninfo, CLOCK), id="up"),
    pytest.param(lambda conninfo: migrate_down(conninfo, CLOCK, "base"), id="down"),
    pytest.param(migration_status, id="status"),
]
Command = Callable[[str], object]


@pytest.fixture
def blank(server: str) -> Iterator[Target]:
    with blank_database(server) as target:
        yield target


@pytest.fixture
def stranger(server: str) -> Iterator[str]:
    """A role with a password and nothing else; ask for it before a database that it is used in."""
    role = unique("stranger")
    with psycopg.connect(server, autocommit=True) as connection:
        name = sql.Identifier(role)
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, CANARY))
        yield role
        connection.execute(sql.SQL("DROP OWNED BY {}").format(name))
        connection.execute(sql.SQL("DROP ROLE {}").format(name))


@pytest.fixture
def guarded(server: str, stranger: str) -> Iterator[str]:
    """The stranger, of whom the server asks the password."""
    hba = Path(value(server, "SHOW hba_file"))
    if not hba.is_file():
        pytest.skip("NOT TESTED: the server's pg_hba.conf is on another machine")
    before = hba.read_text()
    hba.write_text(f"local all {stranger} scram-sha-256\n{before}")
    run(server, "SELECT pg_reload_conf()")
    yield stranger
    hba.write_text(before)
    run(server, "SELECT pg_reload_conf()")


@pytest.mark.parametrize("command", _EVERY_COMMAND)
def test_a_wrong_password_is_refused_in_one_line(
    command: Command, guarded: str, blank: Target
) -> None:
    wrong = make_conninfo(blank.owner, user=guarded, password=f"{CANARY}-mistyped")

    message = refusal(lambda: command(wrong))

    assert message.endswith(f': password authentication failed for user "{guarded}"')


@pytest.mark.parametrize("command", _EVERY_COMMAND)
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"host": "127.0.0.1", "port": 1}, "at 127.0.0.1:1: Connection refused"),
        ({"host": "/nowhere"}, "No such file or directory"),
        ({"dbname": "no_such_database"}, 'database "no_such_database" does not exist'),
        ({"user": "no_such_role"}, 'role "no_such_role" does not exist'),
    ],
    ids=["port", "host", "database", "role"],
)
def test_a_database_that_cannot_be_reached_is_named_in_one_line(
    command: Command, server: str, changed: dict[str, str], reason: str
) -> None:
    wrong = make_conninfo(server, **({"password": CANARY} | changed))

    message = refusal(lambda: command(wrong))

    assert message.startswith("cannot use the database at ")
    assert reason in message


def test_a_role_that_may_not_create_tables_reads_what_to_grant(
    stranger: str, blank: Target
) -> None:
    theirs = make_conninfo(blank.owner, user=stranger, password=CANARY)

    message = refusal(lambda: migrate_up(theirs, CLOCK))

    grant = f"GRANT CREATE ON SCHEMA public TO {stranger}"
    assert grant in message
    assert "SAVEGUARD_OWNER_DATABASE_URL" in message
    assert rows(blank.owner, "SELECT relname FROM pg_class WHERE relname = 'alembic_version'") == []
    run(blank.owner, grant)
    migrate_up(theirs, CLOCK)  # what it said is what is needed
    migrate_down(theirs, CLOCK, "base")


def test_a_role_that_may_not_make_the_application_role_reads_what_to_run(
    server: str, stranger: str, blank: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(blank.owner, f"GRANT CREATE ON SCHEMA public TO {stranger}")
    monkeypatch.setattr(migrate, "APP_ROLE", "missing_app")
    theirs = make_conninfo(blank.owner, user=stranger)

    message = refusal(lambda: migrate_up(theirs, CLOCK))

    advice = f"CREATE ROLE missing_app; GRANT missing_app TO {stranger}"
    assert f"as a superuser run {advice};" in message
    run(server, *advice.split("; "), f"REVOKE missing_app FROM {stranger}", "DROP ROLE missing_app")


def test_the_application_role_may_not_migrate(blank: Target) -> None:
    migrate_up(blank.owner, CLOCK, "0002")

    message = refusal(lambda: migrate_up(blank.app, CLOCK))

    assert message.startswith("migrations must not run as saveguard_app")
    assert "SAVEGUARD_OWNER_DATABASE_URL" in message


def test_a_role_that_does_not_own_the_tables_is_told_who_should_migrate(
    stranger: str, blank: Target
) -> None:
    migrate_up(blank.owner, CLOCK, "0001")
    run(
        blank.owner,
        f"GRANT CREATE ON SCHEMA public TO {stranger}",
        f"GRANT SELECT ON alembic_version TO {stranger}",
    )
    theirs = make_conninfo(blank.owner, user=stranger)

    message = refusal(lambda: migrate_up(theirs, CLOCK))

    assert "must be owner of table quote" in message
    assert "SAVEGUARD_OWNER_DATABASE_URL" in message
    assert migration_status(blank.owner).current == "0001"


@pytest.mark.parametrize("command", _EVERY_COMMAND)
def test_a_database_newer_than_this_release_is_not_touched(
    command: Command, target: Target
) -> None:
    run(target.owner, "UPDATE alembic_version SET version_num = '9999'")

    message = refusal(lambda: command(target.owner))

    assert message == (
        "the database is at revision 9999, which this release does not know; update Saveguard"
    )


@pytest.mark.parametrize(
    ("current", "wanted", "reason"),
    [
        ("base", "-1", "Relative revision -1 didn't produce 1 migrations"),
        ("0002", "-3", "Relative revision -3 didn't produce 3 migrations"),
        ("0001", "0003", "Destination 0003 is not a valid downgrade target"),
        ("0001", "nope", "Can't locate revision identified by 'nope'"),
    ],
)
def test_down_goes_no_further_than_there_are_revisions(
    blank: Target, current: str, wanted: str, reason: str
) -> None:
    if current != "base":
        migrate_up(blank.owner, CLOCK, current)

    message = refusal(lambda: migrate_down(blank.owner, CLOCK, wanted))

    assert message.startswith(f"cannot migrate: {reason}")
    assert migration_status(blank.owner).current == (None if current == "base" else current)


def test_down_to_base_of_an_empty_database_changes_nothing(blank: Target) -> None:
    migrate_down(blank.owner, CLOCK, "base")

    assert migration_status(blank.owner).current is None


def test_a_url_with_a_secret_is_refused_without_it(
    server: str, guarded: str, tmp_path: Path
) -> None:
    given = conninfo_to_dict(server)
    url = (
        f"postgresql://{guarded}:{CANARY}@/postgres?host={given['host']}&port={given['port']}"
        "&password=other"
    )
    settings = load_settings({"DATABASE_URL": url, "SAVEGUARD_DATA_DIR": str(tmp_path)})

    message = refusal(lambda: open_target(settings))

    assert message.startswith("DATABASE_URL: cannot use the database at ")
    assert CANARY not in repr(settings)
