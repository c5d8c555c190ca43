"""A page costs as much as is on it: not what comes after it, nor what other agents have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from engine.database.sql import Statement
from engine.database.target import Target
from engine.quotes import store
from tests.support import Agency, new_agency

QUOTES, VERSIONS, MOST = 4_000, 2_000, 20
LARGE_TEXTS = ["x" * 9_000] * 100


@pytest.fixture
def quote_id(agency: Agency, target: Target) -> UUID:
    """The newest of many quotes, of which every other one is sent; it alone has many versions."""
    new_agency(agency.runtime).create()
    quote_id = agency.create(clientId=str(agency.client_id))
    with psycopg.connect(target.owner, autocommit=True) as owner:
        owner.execute(
            """
            INSERT INTO quote
            SELECT (
                jsonb_populate_record(
                    q,
                    jsonb_build_object(
                        'id', lpad(to_hex(n), 32, '0')::uuid,
                        'quote_number', 'QT-2020-' || lpad(n::text, 6, '0'),
                        'status', CASE WHEN n % 2 = 0 THEN 'DRAFT' ELSE 'SENT' END,
                        'sent_at', now()
                    )
                )
            ).*
            FROM quote q, generate_series(1, %s) n
            WHERE q.id = %s
            """.replace("n % 2", "n %% 2"),
            [QUOTES, quote_id],
        )
        owner.execute(
            """
            INSERT INTO quote_revision
            SELECT (jsonb_populate_record(r, jsonb_build_object('version', n))).*
            FROM quote_revision r, generate_series(2, %s) n
            WHERE r.quote_id = %s
            """,
            [VERSIONS, quote_id],
        )
        owner.execute(
            """
            INSERT INTO quote_revision
            SELECT (jsonb_populate_record(r, jsonb_build_object('quote_id', q.id))).*
            FROM quote_revision r, quote q
            WHERE r.quote_id = %s AND r.version = 1 AND q.quote_number LIKE 'QT-2020-%%'
            """,
            [quote_id],
        )
        owner.execute("VACUUM ANALYZE quote, quote_revision")
    return quote_id


def plan(target: Target, statement: Statement, **values: Any) -> dict[str, Any]:
    """How a statement ran under the pool's own settings: a plan made for any page."""
    with psycopg.connect(target.app, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        connection.execute(f"PREPARE planned AS {statement.text}".encode())
        marks = ", ".join(["%s"] * len(statement.names))
        found = connection.execute(
            f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE planned ({marks})".encode(),
            [values[name] for name in statement.names],
        ).fetchone()
    assert found is not None
    root: dict[str, Any] = found[0][0]["Plan"]
    return root


def parts(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan and everything below."""
    yield node
    for part in node.get("Plans", []):
        yield from parts(part)


def scans(node: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a plan that read a table."""
    return [part for part in parts(node) if "Relation Name" in part]


def rows_read(node: dict[str, Any], table: str) -> float:
    """How many rows were read of a table, those that a filter dropped among them."""
    total: float = sum(
        scan["Actual Loops"] * (scan["Actual Rows"] + scan.get("Rows Removed by Filter", 0))
        for scan in scans(node)
        if scan["Relation Name"] == table
    )
    return total


@pytest.mark.parametrize("by_status", [False, True])
@pytest.mark.parametrize("by_client", [False, True])
def test_a_page_of_quotes_reads_what_is_on_it_by_index(
    agency: Agency, target: Target, quote_id: UUID, *, by_status: bool, by_client: bool
) -> None:
    found = plan(
        target,
        store._page(by_status=by_status, by_client=by_client),
        agent_id=agency.agent_id,
        before=quote_id,
        most=MOST,
        status="SENT",
        client_id=agency.client_id,
    )

    assert {scan["Node Type"] for scan in scans(found)} <= {"Index Scan", "Index Only Scan"}
    assert found["Actual Rows"] == MOST
    # The next page's first among them, and the drafts between those that were sent.
    assert rows_read(found, "quote") <= 2 * (MOST + 1)


def test_a_page_of_a_history_reads_what_is_on_it_by_index(
    agency: Agency, target: Target, quote_id: UUID
) -> None:
    found = plan(
        target,
        store._HISTORY,
        agent_id=agency.agent_id,
        quote_id=quote_id,
        before=VERSIONS // 2,
        most=MOST,
    )

    assert {scan["Node Type"] for scan in scans(found)} <= {"Index Scan", "Index Only Scan"}
    assert found["Actual Rows"] == MOST
    # As they are for a quote that has more versions than all others: 21, the next page's first too.
    assert rows_read(found, "quote_revision") == MOST + 1


def test_a_page_that_is_full_of_bytes_looks_at_one_row_more(agency: Agency, target: Target) -> None:
    large = agency.create(inclusions=LARGE_TEXTS)
    for version in range(1, 10):
        agency.update(large, version, adults=2)

    found = plan(
        target,
        store._HISTORY,
        agent_id=agency.agent_id,
        quote_id=large,
        before=store._FIRST_VERSION,
        most=MOST,
    )

    assert found["Actual Rows"] == 4
    (walk,) = (part for part in parts(found) if part["Node Type"] == "Recursive Union")
    assert walk["Actual Rows"] == 1 + 4 + 1  # the start, what is on the page, and what is not
