"""Plans: how the server means to run each statement of a save."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import psycopg

from engine.database.sql import Statement
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing, unknown
from engine.saving import statements

# A smaller table is read from end to end for good reason.
LARGE: Final = 10_000
# The only releases that plan a statement without its values.
_SINCE: Final = 160_000
_SIZES: Final = """
    SELECT relname, greatest(reltuples, 0)::bigint
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
"""
# Those that a save reads; what it only adds to has no plan to speak of.
_READ: Final = ("quote", "quote_revision")
_SCAN: Final = "Seq Scan"


def _statements(*, has_queue: bool) -> Mapping[str, Statement]:
    return {
        "create": statements.create_in_one(keyed=True, has_queue=has_queue),
        "change": statements.change_in_one(keyed=True, has_queue=has_queue),
        "read quote": statements.read_quote(keyed=True),
        "lock quote": statements.lock_current(),
        "change quote": statements.change_quote(),
        "client fits": statements.client_fits(),
        "add revision": statements.insert_revision(),
        "add key": statements.insert_key(),
        "read key": statements.read_key(),
        "drop key": statements.drop_expired_key(),
        "reap keys": statements.reap_keys(),
        "newer revisions": statements.newer_revisions(1),
    }


def plans(question: Question) -> Found:
    """`db.plans`: no statement of a save reads a large table from end to end."""
    with question.runtime.read_pool.connection() as connection:
        if connection.info.server_version < _SINCE:
            return unknown("A server before release 16 does not plan without values")
        sizes = dict(connection.execute(_SIZES).fetchall())
        wanted = _statements(has_queue=connection.has_attempt_queue)
        planned = {name: _plan(connection, each) for name, each in wanted.items()}
        with connection.transaction():
            # Whatever is read from end to end even so, has no index that would serve.
            connection.execute("SET LOCAL enable_seqscan = off", prepare=False)
            forced = {name: _plan(connection, each) for name, each in wanted.items()}
    return judged(planned, forced, sizes)


def judged(
    planned: Mapping[str, Mapping[str, Any]],
    forced: Mapping[str, Mapping[str, Any]],
    sizes: Mapping[str, int],
) -> Found:
    """What plans come to.

    Args:
        planned: of each statement, as the server would run it.
        forced: the same where it avoids to read tables from end to end.
        sizes: of tables, in rows.
    """
    without_index = sorted(
        {f"{name}: {table}" for name, plan in forced.items() for table in scanned(plan)}
    )
    long = sorted(
        {
            f"{name}: {table}"
            for name, plan in planned.items()
            for table in scanned(plan)
            if sizes.get(table, 0) >= LARGE
        }
    )
    rows = {table: sizes.get(table, 0) for table in _READ}
    numbers: dict[str, Any] = {
        "statements": {name: digest_of(plan) for name, plan in planned.items()},
        "withoutIndex": without_index,
        "readFromEndToEnd": long,
        "rows": rows,
    }
    witness = "EXPLAIN (GENERIC_PLAN, FORMAT JSON) of each statement of engine/saving/statements.py"
    if without_index:
        reason = (
            f"No index serves {len(without_index)} of the statements' reads: {without_index[0]}"
        )
        return failing(reason, witness, **numbers)
    if long:
        reason = f"Read from end to end although large: {long[0]}"
        return failing(reason, witness, **numbers)
    if min(rows.values()) < LARGE:
        told = ", ".join(f"{table} has {count} rows" for table, count in rows.items())
        reason = (
            f"Every read has its index, but plans mean nothing below {LARGE} rows: {told}, as far"
            " as the planner knows"
        )
        return insufficient(reason, witness, **numbers)
    return passing(
        f"{len(planned)} statements, none reads a table of {LARGE} rows from end to end",
        witness,
        **numbers,
    )


def scanned(plan: Mapping[str, Any]) -> Iterator[str]:
    """The tables that a plan reads from end to end."""
    if plan["Node Type"] == _SCAN:
        yield plan["Relation Name"]
    for each in plan.get("Plans", ()):
        yield from scanned(each)


def digest_of(plan: Mapping[str, Any]) -> str:
    """A short word for the shape of a plan, whatever it costs."""
    return hashlib.sha256(json.dumps(_shape(plan)).encode()).hexdigest()[:16]


def _shape(plan: Mapping[str, Any]) -> list[Any]:
    named = [plan.get(name) for name in ("Node Type", "Relation Name", "Index Name")]
    return [*named, *(_shape(each) for each in plan.get("Plans", ()))]


def _plan(connection: psycopg.Connection[Any], statement: Statement) -> Mapping[str, Any]:
    query = f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {statement.text}".encode()
    found = connection.execute(query, prepare=False).fetchone()
    told = found[0] if found else "[]"
    document = json.loads(told) if isinstance(told, str) else told
    plan: Mapping[str, Any] = document[0]["Plan"]
    return plan
