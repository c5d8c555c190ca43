"""What the tables, the rows, the enumerations and the statements must agree on."""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from sqlalchemy import ForeignKeyConstraint, PrimaryKeyConstraint, Table, UniqueConstraint
from sqlmodel import SQLModel

import engine
from engine.attempts.ledger import AttemptRow
from engine.attempts.outcome import Outcome, Source
from engine.attempts.outcome import Path as SavePath
from engine.attempts.tables import ATTEMPT_RULES, Attempt, Origin
from engine.database.migrations.versions import r0003_ledger
from engine.database.sql import Statement, table_of
from engine.errors import TAXONOMY, ErrorCode, Severity
from engine.quotes.draft import Draft
from engine.quotes.lifecycle import Operation, Status
from engine.quotes.money import MINOR_DIGITS
from engine.quotes.pricing import Price
from engine.quotes.record import QuoteRecord
from engine.quotes.tables import QUOTE_RULES, Quote
from engine.saving import statements
from engine.saving.statements import DECIDED_BY_WRITE

SHARDED: Final = frozenset(
    {"client", "quote", "quote_revision", "attempt", "idempotency_key", "quote_number_block"}
)


def tables() -> Mapping[str, Table]:
    """Every table that the engine describes, wherever it does."""
    for module in pkgutil.walk_packages(engine.__path__, "engine."):
        if module.name.endswith(".tables"):
            importlib.import_module(module.name)
    return SQLModel.metadata.tables


def sharded_tables() -> list[Table]:
    return [table for table in tables().values() if "agent_id" in table.c]


def constraints(kind: type) -> Iterator[tuple[Table, Any]]:
    for table in sharded_tables():
        for constraint in table.constraints:
            if isinstance(constraint, kind):
                yield table, constraint


# Rows and tables.


def test_a_row_of_the_ledger_has_the_columns_of_its_table() -> None:
    assert {*AttemptRow.__struct_fields__, "txid"} == set(table_of(Attempt).c.keys())


def test_a_quotes_record_has_the_columns_of_its_table_in_their_order() -> None:
    assert list(QuoteRecord.__struct_fields__) == list(table_of(Quote).c.keys())


def test_a_record_holds_every_stored_field_of_a_draft_and_every_part_of_a_price() -> None:
    stored = {name for name in Draft.__struct_fields__ if not name.startswith("claimed_")}

    assert stored | set(Price._fields) <= set(QuoteRecord.__struct_fields__)


@pytest.mark.parametrize(
    ("row", "model"), [(AttemptRow, Attempt), (QuoteRecord, Quote)], ids=["attempt", "quote"]
)
def test_what_may_be_none_in_a_row_may_be_null_in_its_table(row: Any, model: Any) -> None:
    may_be_none = {
        name for name, kind in inspect.get_annotations(row, eval_str=True).items()
        if type(None) in getattr(kind, "__args__", ())
    }  # fmt: skip

    nullable = {column.name for column in table_of(model).c if column.nullable}
    assert may_be_none == nullable - {"txid"}  # which the database fills in


# The words that SQL knows.


def arrays_of_the_ledger() -> dict[str, list[str]]:
    """The words of each array in the view `ledger`, by the column that picks one."""
    source = inspect.getsource(r0003_ledger)
    view = source[source.index("CREATE VIEW ledger") :]
    return {
        found[2]: re.findall(r"'([^']+)'", found[1])
        for found in re.finditer(r"\(ARRAY\[([^\]]*)\]\)\s*\[a\.(\w+)\]", view)
    }


def by_number(enumeration: type[IntEnum]) -> list[str]:
    members = sorted(enumeration)
    assert [member.value for member in members] == list(range(1, len(members) + 1))
    return [member.name for member in members]


def test_the_view_of_the_ledger_spells_every_number_as_its_enumeration_does() -> None:
    codes = sorted(TAXONOMY, key=lambda code: TAXONOMY[code].number)
    assert [TAXONOMY[code].number for code in codes] == list(range(1, len(codes) + 1))

    assert arrays_of_the_ledger() == {
        "operation": by_number(Operation),
        "outcome": [word.lower() for word in by_number(Outcome)],
        "error_code": [code.value for code in codes],
        "severity": by_number(Severity),
        "path": [word.lower() for word in by_number(SavePath)],
        "source": [word.lower() for word in by_number(Source)],
    }


def test_every_code_has_a_meaning_and_a_number_of_its_own() -> None:
    assert set(TAXONOMY) == set(ErrorCode)
    assert len({meaning.number for meaning in TAXONOMY.values()}) == len(ErrorCode)
    assert all(code.name == code.value for code in ErrorCode)


def words(rule: str) -> list[str]:
    return re.findall(r"'(\w+)'", rule)


def test_the_rules_of_the_rows_know_the_same_words_and_bounds() -> None:
    assert words(QUOTE_RULES["status_known"]) == [status.value for status in Status]
    assert words(QUOTE_RULES["currency_known"]) == list(MINOR_DIGITS)
    assert ATTEMPT_RULES["outcome_known"] == f"outcome BETWEEN 1 AND {max(Outcome)}"
    assert ATTEMPT_RULES["operation_known"] == f"operation BETWEEN 1 AND {max(Operation)}"


def test_the_write_decides_on_what_only_it_can_see() -> None:
    assert set(DECIDED_BY_WRITE) == {
        ErrorCode.QUOTE_NOT_FOUND,
        ErrorCode.QUOTE_ALREADY_SENT,
        ErrorCode.QUOTE_STATE_INVALID,
        ErrorCode.QUOTE_CONFLICT_VERSION,
        ErrorCode.CLIENT_NOT_FOUND,
        ErrorCode.INTERNAL_ERROR,
    }


# The sharding rules.


def test_the_tables_of_an_agent_are_sharded() -> None:
    names = {table.name for table in sharded_tables()}

    assert names >= SHARDED
    assert {"account", "agent", "api_key", "origin"} & names == set()


def test_the_agent_comes_first_in_every_primary_key() -> None:
    keys = {
        table.name: [c.name for c in key.columns]
        for table, key in constraints(PrimaryKeyConstraint)
    }

    assert keys.keys() >= SHARDED
    assert {name: columns[0] for name, columns in keys.items()} == dict.fromkeys(keys, "agent_id")


def test_the_agent_comes_first_in_whatever_is_unique() -> None:
    unique = [
        (table.name, [column.name for column in constraint.columns])
        for table, constraint in constraints(UniqueConstraint)
    ]
    unique += [
        (table.name, [column.name for column in index.columns])
        for table in sharded_tables()
        for index in table.indexes
        if index.unique
    ]

    assert ("quote", ["agent_id", "quote_number"]) in unique
    assert [each for each in unique if each[1][0] != "agent_id"] == []


def test_the_agent_comes_first_in_every_foreign_key_and_on_both_sides() -> None:
    keys = list(constraints(ForeignKeyConstraint))

    assert len(keys) >= 4
    for table, key in keys:
        referred = [element.column for element in key.elements]
        assert next(iter(key.columns)).name == "agent_id", (table.name, key.name)
        first = referred[0]
        assert (first.table.name, first.name) == ("agent", "id") or first.name == "agent_id"
        assert first.table.name == "agent" or len(referred) > 1, (table.name, key.name)


def test_no_foreign_key_sets_null() -> None:
    for table, key in constraints(ForeignKeyConstraint):
        for rule in (key.ondelete, key.onupdate):
            assert (rule or "").upper() != "SET NULL", (table.name, key.name)


def test_what_is_small_and_everywhere_never_refers_to_what_is_sharded() -> None:
    sharded = {table.name for table in sharded_tables()}

    for table in tables().values():
        if table.name not in sharded:
            referred = {key.column.table.name for key in table.foreign_keys}
            assert not referred & sharded, table.name


@pytest.mark.parametrize("name", sorted(SHARDED))
def test_ids_of_sharded_tables_are_made_by_the_engine(name: str) -> None:
    table = tables()[name]

    assert not table.c.agent_id.nullable
    for column in table.primary_key.columns:
        assert column.server_default is None, column.name
        assert column.identity is None, column.name
        assert column.autoincrement is not True, column.name


def test_every_constraint_and_index_has_a_name() -> None:
    for table in tables().values():
        nameless = [each for each in (*table.constraints, *table.indexes) if each.name is None]  # type: ignore[attr-defined]
        # SQLModel gives a key of its own making no name; the migration does.
        assert [each for each in nameless if not isinstance(each, PrimaryKeyConstraint)] == []
        assert table.name not in SHARDED or nameless == []


def test_instants_carry_their_zone_and_money_is_exact() -> None:
    for table in tables().values():
        for column in table.c:
            kind = str(column.type)
            assert kind != "DATETIME" or getattr(column.type, "timezone", False), column
            assert kind not in {"FLOAT", "DOUBLE", "REAL", "MONEY"}, column
    assert str(table_of(Quote).c.total.type) == "NUMERIC"
    assert table_of(Origin).name == "origin"


# The statements of the save.


def statements_of(module: ModuleType) -> Iterator[tuple[str, str]]:
    """Every statement of a module: those that stand there, and what its builders build."""
    for name, value in vars(module).items():
        if isinstance(value, Statement):
            yield name, value.text
    for name, build in inspect.getmembers(module, callable):
        if inspect.getmodule(inspect.unwrap(build)) is module and not inspect.isclass(build):
            yield from built_by(name, build)


def built_by(name: str, build: Callable[..., Any]) -> Iterator[tuple[str, str]]:
    signature = inspect.signature(inspect.unwrap(build))
    if str(signature.return_annotation) != "Statement" or name == "_whole_save":
        return
    values_of: dict[str, list[Any]] = {"bool": [False, True], "int": [50]}
    choices = {
        parameter.name: values_of[str(parameter.annotation)]
        for parameter in signature.parameters.values()
    }
    for chosen in itertools.product(*choices.values()):
        arguments = dict(zip(choices, chosen, strict=True))
        statement = build(**arguments)
        yield f"{name}({arguments})", statement.text


# Modules that speak to sharded tables, and the names of statements that may go over all agents.
SPEAKING: Final = {
    "engine.saving.statements": set(),
    "engine.saving.expiry": {"_DUE"},
    "engine.attempts.ledger": set(),
    "engine.quotes.store": set(),
    "engine.quotes.numbers": set(),
}
ALL_STATEMENTS = [
    pytest.param(text, name in spared, id=f"{module.removeprefix('engine.')}.{name}")
    for module, spared in SPEAKING.items()
    for name, text in statements_of(importlib.import_module(module))
]


def uses(text: str) -> Iterator[tuple[str, str]]:
    """Each use of a sharded table in a statement: the verb before it and the name it goes by."""
    pattern = r"\b(FROM|JOIN|UPDATE|INTO|USING)\s+(\w+)(?:\s+AS\s+(\w+))?"
    for verb, table, alias in re.findall(pattern, text):
        if table in SHARDED:
            yield verb, alias or table
    for table, alias in re.findall(r",\s+(\w+)(?:\s+AS\s+(\w+))?(?=\s+WHERE)", text):
        if table in SHARDED and f"{table}." not in table:
            yield "FROM", alias or table


def is_bound_to_an_agent(text: str, verb: str, name: str) -> bool:
    if verb == "INTO":
        return re.search(rf"INSERT INTO {name} \((?:\w+, )*agent_id\b", text) is not None
    return re.search(rf"\b{name}\.agent_id = ", text) is not None


def test_the_statements_of_the_save_are_found() -> None:
    names = {str(each.id) for each in ALL_STATEMENTS}

    assert "saving.statements.change_in_one({'keyed': True, 'has_queue': True})" in names
    assert "saving.statements.newer_revisions({'limit': 50})" in names
    assert "attempts.ledger._INSERT" in names
    assert len(names) >= 20


@pytest.mark.parametrize(("text", "is_spared"), ALL_STATEMENTS)
def test_a_statement_names_the_agent_of_every_sharded_table_it_touches(
    text: str, *, is_spared: bool
) -> None:
    touched = set(uses(text))

    unbound = [each for each in touched if not is_bound_to_an_agent(text, *each)]

    assert bool(unbound) is is_spared, text


def test_a_whole_save_touches_every_table_of_a_save() -> None:
    touched = {
        table for _, table in uses(statements.change_in_one(keyed=True, has_queue=False).text)
    }

    assert touched == {"quote", "client", "quote_revision", "attempt", "idempotency_key"}


@pytest.mark.parametrize(
    "careless",
    [
        "SELECT 1 FROM quote WHERE quote.id = $1",
        "UPDATE quote SET version=$1 WHERE quote.id = $2",
        "INSERT INTO attempt (id, started_at) VALUES ($1, $2)",
        "SELECT 1 FROM quote, client WHERE quote.agent_id = $1 AND client.id = $2",
        "DELETE FROM idempotency_key WHERE idempotency_key.key = $1",
    ],
)
def test_a_statement_that_forgets_the_agent_would_be_noticed(careless: str) -> None:
    assert [each for each in uses(careless) if not is_bound_to_an_agent(careless, *each)]


@pytest.mark.parametrize("text", [each.values[0] for each in ALL_STATEMENTS])
def test_a_statement_carries_no_values_of_its_callers(text: Any) -> None:
    constants = set(re.findall(r"'([^']*)'", text))

    assert constants <= {"", "epoch", "ACTIVE", "1000000", *Status}, text


def test_the_migrations_stand_where_they_are_expected() -> None:
    assert Path(inspect.getfile(r0003_ledger)).parent.name == "versions"
