"""The declared models, and whether the database is what they say."""

from __future__ import annotations

from typing import Any, Final

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlmodel import SQLModel

import engine.access.tables
import engine.alerting.tables
import engine.attempts.tables
import engine.database.tables
import engine.quotes.tables
import engine.readiness.tables
import engine.rollups.tables
import engine.saving.tables
from engine.attempts.partitions import day_of_partition
from engine.database.migrate import owner_engine
from engine.readiness.probes.asking import SHOWN
from engine.readiness.probes.probe import Found, Question, decided

# Whoever declares tables has to be imported for them to be known.
DECLARING: Final = (
    engine.access.tables,
    engine.alerting.tables,
    engine.attempts.tables,
    engine.database.tables,
    engine.quotes.tables,
    engine.readiness.tables,
    engine.rollups.tables,
    engine.saving.tables,
)
_DEFAULT: Final = "attempt_default"


def drift(question: Question) -> Found:
    """`model.drift`: tables, columns, indexes and keys are what the models declare."""
    with owner_engine(question.runtime.target.app).connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_object": _is_declared,
            },
        )
        differences = [_told(each) for each in compare_metadata(context, SQLModel.metadata)]
    tables = len(SQLModel.metadata.tables)
    return decided(
        not differences,
        f"{tables} tables are what the models declare; the API's document is held against its own"
        " copy by the tests",
        f"{len(differences)} differences from the models: {(differences or [''])[0]}",
        "alembic compare_metadata",
        tables=tables,
        differences=differences[:SHOWN],
    )


def _is_declared(_object: object, name: str | None, kind: str, *_more: object) -> bool:
    """The ledger's partitions are declared by the ledger."""
    if kind != "table" or name is None:
        return True
    return name != _DEFAULT and day_of_partition(name) is None


def _told(difference: Any) -> str:  # noqa: ANN401  # Alembic's tuples, of one or several
    """A difference in words: what would have to be done, and to what."""
    first = difference[0] if isinstance(difference, list) else difference
    return " ".join(
        each if isinstance(each, str) else str(getattr(each, "name", ""))
        for each in first
        if isinstance(each, str) or hasattr(each, "name")
    )
