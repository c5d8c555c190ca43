"""The migrated database is what the SQLModel tables say, and what the golden file shows."""

# ruff: noqa: S608 - queries are put together from constants of this file

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, Final

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlmodel import SQLModel

import engine
from engine.database.migrate import migrate_up, owner_engine
from engine.database.target import Target
from tests.database.databases import CLOCK, blank_database, rows, run
from tests.golden.regenerate import SCHEMA, schema_of

# Not described by a SQLModel table: Alembic's own, the view, and the ledger's partitions.
_OURS: Final = """
    c.relnamespace = 'public'::regnamespace
    AND c.relname NOT IN ('alembic_version', 'ledger') AND c.relname !~ '^attempt_(default|[0-9])'
"""

# What Alembic's comparison does not look at, or looks at only by name.
_ASPECTS: Final = {
    "tables": f"""
        SELECT c.relname, c.relkind, c.relpersistence, c.reloptions::text,
            pg_get_partkeydef(c.oid)
        FROM pg_class c WHERE c.relkind IN ('r', 'p') AND {_OURS}
    """,
    "columns": f"""
        SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
            pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated, a.attcollation
        FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND {_OURS}
    """,
    "constraints": f"""
        SELECT c.relname, k.conname, pg_get_constraintdef(k.oid), k.convalidated
        FROM pg_constraint k
        JOIN pg_class c ON c.oid = k.conrelid
        WHERE k.contype <> 'n' AND {_OURS}
    """,
    "indexes": f"""
        SELECT c.relname, pg_get_indexdef(i.indexrelid), i.indisvalid
        FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid
        WHERE {_OURS}
    """,
    "triggers": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
    "routines": r"""
        SELECT proname, regexp_replace(prosrc, '\s+', ' ', 'g')
        FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    """,
    "sequences": "SELECT relname FROM pg_class WHERE relkind = 'S'",
}


@pytest.fixture(scope="module")
def tables() -> None:
    """Every table is known to the metadata."""
    for module in pkgutil.walk_packages(engine.__path__, "engine."):
        if module.name.rpartition(".")[2] == "tables":
            importlib.import_module(module.name)


@pytest.fixture(scope="module")
def created(server: str, tables: None) -> Iterator[Target]:  # noqa: ARG001 - before it is read
    """A database made from the SQLModel tables, without any migration."""
    with blank_database(server) as target:
        sqlalchemy = owner_engine(target.owner)
        SQLModel.metadata.create_all(sqlalchemy)
        yield target


@pytest.fixture(scope="module")
def migrated(server: str) -> Iterator[Target]:
    """A database made by the migrations."""
    with blank_database(server) as target:
        migrate_up(target.owner, CLOCK)
        yield target


def _is_described(_object: object, name: str | None, *_more: object) -> bool:
    return name is None or not name.startswith("attempt_default")


@pytest.mark.usefixtures("tables")
def test_alembic_finds_no_difference_between_the_tables_and_the_database(migrated: Target) -> None:
    options: dict[str, Any] = {
        "compare_type": True,
        "compare_server_default": True,
        "include_object": _is_described,
    }
    with owner_engine(migrated.owner).connect() as connection:
        context = MigrationContext.configure(connection, opts=options)

        assert compare_metadata(context, SQLModel.metadata) == []


@pytest.mark.parametrize("aspect", list(_ASPECTS))
def test_the_tables_and_the_migrations_make_the_same(
    aspect: str, created: Target, migrated: Target
) -> None:
    described, found = (set(rows(t.owner, _ASPECTS[aspect])) for t in (created, migrated))

    assert described == found
    assert described or aspect in {"triggers", "routines", "sequences"}


def test_the_golden_file_is_the_migrated_database(target: Target) -> None:
    golden, found = SCHEMA.read_text(encoding="utf-8"), schema_of(target.owner)

    difference = difflib.unified_diff(golden.splitlines(), found.splitlines(), "golden", "migrated")
    assert golden == found, "\n".join([*difference, "Meant? python -m tests.golden.regenerate"])


def test_the_golden_file_shows_privileges(target: Target) -> None:
    run(target.owner, "GRANT UPDATE ON attempt TO saveguard_app")

    assert schema_of(target.owner) != SCHEMA.read_text(encoding="utf-8")
