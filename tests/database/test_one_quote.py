"""What is read of one quote: the rules asked of it alone, its attempts, its versions; by index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final, Self
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from engine.attempts import of_quote
from engine.attempts.outcome import Outcome
from engine.clock import SystemClock
from engine.integrity import one_quote
from engine.integrity.one_quote import NOT_OF_ONE_QUOTE, QuoteCheck
from engine.quotes import versions
from engine.runtime import Runtime
from tests.database.test_integrity import (
    SABOTAGES,
    TELL_HISTORY,
    Book,
    Sabotage,
    filled_book,
    sabotage,
    verified,
)
from tests.support import Agency, new_agency

# What only a look at all quotes, or all agents, can find.
_BEYOND_ONE_QUOTE: Final = {
    "an attempt twice, in every column": {"DI-15"},
    "one id for two agents' attempts": {"DI-15"},
}


@pytest.fixture
def book(agency: Agency, server: str) -> Book:
    name = psycopg.conninfo.conninfo_to_dict(agency.runtime.target.owner)["dbname"]
    return filled_book(agency, psycopg.conninfo.make_conninfo(server, dbname=name))


@pytest.fixture
def connection(runtime: Runtime) -> Iterator[psycopg.Connection[Any]]:
    with runtime.read_pool.connection() as opened:
        yield opened


def checked(connection: psycopg.Connection[Any], book: Book, quote_id: UUID) -> QuoteCheck:
    return one_quote.check(connection, SystemClock(), book.agency.agent_id, quote_id)


def red(check: QuoteCheck) -> set[str]:
    return {result.rule.id for result in check.results if result.violations}


# --- the rules ------------------------------------------------------------------------------------


def test_whatever_was_saved_and_refused_breaks_no_rule(
    connection: psycopg.Connection[Any], book: Book
) -> None:
    for name, quote_id in book.parameters().items():
        check = checked(connection, book, quote_id)

        assert red(check) == set()
        by_id = {result.rule.id: result for result in check.results}
        assert NOT_OF_ONE_QUOTE.keys() == {"DI-14"} == check.remarks.keys() - by_id.keys()
        idle = {id_ for id_, result in by_id.items() if not result.checked}
        assert idle == ({"DI-10"} if name == "bare" else set()), "it is nobody's quote"


@pytest.mark.parametrize("sabotage_", SABOTAGES, ids=lambda each: each.name.replace(" ", "-"))
def test_a_sabotage_shows_in_the_quotes_own_rules_as_in_all_of_them(
    connection: psycopg.Connection[Any], book: Book, runtime: Runtime, sabotage_: Sabotage
) -> None:
    new_agency(runtime)
    sabotage(book, *sabotage_.statements)
    if sabotage_.tells_history:
        sabotage(book, TELL_HISTORY)
    everywhere = verified(runtime.target)

    checks = [checked(connection, book, each) for each in book.parameters().values()]

    found = set().union(*map(red, checks))
    unseen = NOT_OF_ONE_QUOTE.keys() | _BEYOND_ONE_QUOTE.get(sabotage_.name, set())
    # A pair that names two quotes is looked at from either.
    assert (
        sabotage_.red - unseen
        <= found
        <= {id_ for id_, result in everywhere.items() if result.violations}
    )


def test_a_quote_is_not_blamed_for_its_neighbours(
    connection: psycopg.Connection[Any], book: Book
) -> None:
    sabotage(
        book,
        "DELETE FROM quote_revision WHERE quote_id = %(draft)s AND version = 2",
        "UPDATE quote SET per_person = 1 WHERE id = %(sent)s",
    )

    assert red(checked(connection, book, book.accepted)) == set()
    assert red(checked(connection, book, book.draft)) == {"DI-2", "DI-13"}
    assert red(checked(connection, book, book.sent)) == {"DI-2", "DI-6"}


def test_of_a_busy_agent_only_the_attempts_that_made_versions_are_looked_at_and_it_is_said(
    connection: psycopg.Connection[Any], book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(one_quote, "LOOK_MAX", 3)
    before = checked(connection, book, book.draft)
    sabotage(
        book,
        "DELETE FROM attempt WHERE quote_id = %(draft)s AND outcome = 1 AND actual_version = 2",
    )

    after = checked(connection, book, book.draft)

    assert red(before) == set()
    assert red(after) == {"DI-13", "DI-16"}
    for id_ in ("DI-13", "DI-15", "DI-16"):
        assert "more than" in before.remarks[id_]


def test_checking_leaves_the_connection_as_it_was(
    connection: psycopg.Connection[Any], book: Book
) -> None:
    checked(connection, book, book.draft)

    assert connection.execute("SHOW enable_seqscan").fetchone() == ("on",)
    assert connection.execute("SHOW transaction_read_only").fetchone() == ("off",)


# --- attempts -------------------------------------------------------------------------------------


def plainly(agency: Agency, quote_id: UUID) -> list[UUID]:
    """The attempts on a quote that made no version, by a plain reading of the ledger."""
    return [
        row["id"]
        for row in reversed(agency.attempts())
        if row["quote_id"] == quote_id and row["outcome"] != "committed"
    ]


@pytest.mark.parametrize(("page", "look_max"), [(50, 10_000), (1, 10_000), (2, 5), (50, 4)])
def test_pages_and_looks_of_any_size_find_every_attempt_once_newest_first(
    connection: psycopg.Connection[Any],
    book: Book,
    monkeypatch: pytest.MonkeyPatch,
    page: int,
    look_max: int,
) -> None:
    agency = book.agency
    monkeypatch.setattr(of_quote, "PAGE", page)
    monkeypatch.setattr(of_quote, "LOOK_MAX", look_max)
    since = agency.runtime.clock.now() - timedelta(minutes=5)
    for quote_id in book.parameters().values():
        found: list[UUID] = []
        before: of_quote.Place | None = None
        for _ in range(100):
            looked = of_quote.without_version(
                connection, agency.agent_id, quote_id, since=since, before=before
            )
            assert len(looked.attempts) <= page
            found += [each.id for each in looked.attempts]
            before = looked.next_before
            if before is None:
                break

        assert before is None
        assert found == plainly(agency, quote_id)


@pytest.mark.parametrize(
    ("most", "look_max", "is_last_left_out"),
    [(50, 10_000, False), (1, 10_000, False), (2, 5, False), (50, 10_000, True)],
)
def test_attempts_stand_between_the_versions_that_they_were_made_between(
    connection: psycopg.Connection[Any],
    book: Book,
    monkeypatch: pytest.MonkeyPatch,
    *,
    most: int,
    look_max: int,
    is_last_left_out: bool,
) -> None:
    agency = book.agency
    monkeypatch.setattr(of_quote, "LOOK_MAX", look_max)
    since = agency.runtime.clock.now() - timedelta(minutes=5)
    total = 0
    for quote_id in book.parameters().values():
        made = [
            each.modified_at
            for each in versions.read_versions(
                connection, agency.agent_id, quote_id, most=100
            ).versions
        ][::-1]
        if not made:
            continue
        until = agency.attempts()[-1]["started_at"] if is_last_left_out else None

        found = of_quote.between(
            connection, agency.agent_id, quote_id, made, since=since, until=until, most=most
        )

        rows = [each for each in agency.attempts() if until is None or each["started_at"] < until]
        looked = rows[-look_max:]
        expected: list[list[UUID]] = [[] for _ in range(len(made) + 1)]
        for row in reversed(looked):
            if row["quote_id"] == quote_id and row["outcome"] != "committed":
                expected[sum(at <= row["started_at"] for at in made)].append(row["id"])
        assert [[each.id for each in gap.attempts] for gap in found.gaps] == [
            gap[:most] for gap in expected
        ]
        assert [gap.total for gap in found.gaps] == [len(gap) for gap in expected]
        is_cut = len(rows) >= look_max
        assert found.looked_since == (looked[0]["started_at"] if is_cut else None)
        total += sum(map(len, expected))
    assert total


def test_attempts_that_made_versions_are_found_by_their_keys(
    connection: psycopg.Connection[Any], book: Book
) -> None:
    agency = book.agency
    committed = {
        row["id"]: row["correlation_id"]
        for row in agency.attempts()
        if row["outcome"] == "committed"
    }
    keys = [(row["started_at"], row["id"]) for row in agency.attempts()]

    found = of_quote.by_keys(connection, agency.agent_id, keys)

    assert len(found) == len(keys)
    assert {
        id_: each.correlation_id
        for id_, each in found.items()
        if each.outcome == Outcome.COMMITTED.value
    } == committed
    assert of_quote.by_keys(connection, agency.client_id, keys) == {}
    assert of_quote.by_keys(connection, agency.agent_id, []) == {}


def test_a_quotes_agent_is_found_by_the_instant_in_its_id_and_by_nothing_else(
    connection: psycopg.Connection[Any], book: Book, runtime: Runtime
) -> None:
    other = new_agency(runtime)
    # Somebody else tries it in the same second: that does not make it theirs.
    other.update(book.draft, 1, fees=3)

    assert of_quote.agent_of(connection, book.draft) == book.agency.agent_id
    assert of_quote.agent_of(connection, other.create()) == other.agent_id
    assert of_quote.agent_of(connection, runtime.clock.uuid7()) is None
    assert of_quote.agent_of(connection, UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")) is None
    assert of_quote.agent_of(connection, UUID(int=2**128 - 1)) is None
    assert of_quote.agent_of(connection, UUID("ffffffff-ffff-7fff-8fff-ffffffffffff")) is None


# --- versions -------------------------------------------------------------------------------------


def test_versions_are_those_of_the_history_of_deleted_quotes_too(
    connection: psycopg.Connection[Any], book: Book
) -> None:
    agent_id = book.agency.agent_id

    found, has_older = versions.read_versions(connection, agent_id, book.deleted, most=5)

    assert [each.version for each in found] == [2, 1]
    assert [each.operation for each in found] == ["DELETE", "CREATE"]
    assert not has_older
    quote = versions.read_quote(connection, agent_id, book.deleted)
    assert quote is not None
    assert found[0].record == quote
    assert versions.read_version(connection, agent_id, book.deleted, 2) == found[0]
    assert versions.read_version(connection, agent_id, book.deleted, 3) is None
    assert versions.read_quote(connection, book.agency.client_id, book.deleted) is None
    newest = versions.read_versions(connection, agent_id, book.deleted, most=1)
    assert newest.has_older
    assert versions.read_versions(
        connection, agent_id, book.deleted, most=5, before=2
    ).versions == (found[1],)


@pytest.mark.parametrize(
    "spoiled",
    ["'[]'", "'null'", "snapshot - 'total'", 'snapshot || \'{"total": "NaN"}\'', "'{\"a\": 1}'"],
)
def test_a_snapshot_that_is_no_quote_is_a_version_all_the_same(
    connection: psycopg.Connection[Any], book: Book, spoiled: str
) -> None:
    sabotage(
        book,
        f"UPDATE quote_revision SET snapshot = {spoiled} WHERE quote_id = %(draft)s AND version = 2",  # noqa: S608, E501
    )

    found, _ = versions.read_versions(connection, book.agency.agent_id, book.draft, most=5)

    assert [each.record is None for each in found] == [False, True, False]


# --- by index -------------------------------------------------------------------------------------

_LEDGER: Final = 60_000


@pytest.fixture
def crowd(book: Book) -> Book:
    """The same book in a ledger, and beside quotes, where a scan would be felt."""
    sabotage(
        book,
        f"""
        INSERT INTO attempt (agent_id, started_at, id, origin_id, duration_us, database_us,
            operation, outcome, retries, path, source, correlation_id, quote_id)
        SELECT
            gen_random_uuid(), now() - n * interval '1 second', gen_random_uuid(), 1, 1, 1,
            1, 1, 0, 1, 1, 'REQ-CROWD', gen_random_uuid()
        FROM generate_series(1, {_LEDGER}) n
        """,  # noqa: S608  # our own number
        """
        INSERT INTO quote
        SELECT (jsonb_populate_record(q, jsonb_build_object(
            'id', gen_random_uuid(), 'quote_number', 'QT-2020-' || lpad(n::text, 6, '0')
        ))).*
        FROM quote q, generate_series(1, 3000) n
        WHERE q.id = %(draft)s
        """,
        """
        INSERT INTO quote_revision
        SELECT (jsonb_populate_record(r, jsonb_build_object('quote_id', q.id))).*
        FROM quote_revision r, quote q
        WHERE r.quote_id = %(draft)s AND r.version = 1 AND q.quote_number LIKE 'QT-2020-%%'
        """,
    )
    with psycopg.connect(book.superuser, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE attempt, quote, quote_revision, idempotency_key")
    return book


class WatchedCursor:
    """A cursor of a connection that is watched."""

    def __init__(self, cursor: Any, watched: Watched) -> None:
        self._cursor = cursor
        self._watched = watched

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._cursor.close()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._cursor)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, query: Any, values: Any = None, **more: Any) -> Any:
        self._watched.explain(query, values)
        return self._cursor.execute(query, values, **more)


class Watched:
    """A connection that keeps the plan of all that is asked of it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.plans: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, query: Any, values: Any = None, **more: Any) -> Any:
        self.explain(query, values)
        return self._connection.execute(query, values, **more)

    def cursor(self, **more: Any) -> Any:
        return WatchedCursor(self._connection.cursor(**more), self)

    def explain(self, query: Any, values: Any) -> None:
        text = query if isinstance(query, str) else query.as_string(self._connection)
        if re.match(r"\s*(SELECT|WITH)", text):
            asked = sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) ") + sql.SQL(text)
            found = self._connection.execute(asked, values, prepare=False).fetchone()
            assert found is not None
            self.plans.append(found[0][0]["Plan"])


def parts(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for part in node.get("Plans", []):
        yield from parts(part)


def reads(watched: Watched) -> list[tuple[str, str, float]]:
    """How each part of a plan reads a table of ours: way, table, rows."""
    return [
        (
            part["Node Type"],
            part["Relation Name"],
            part["Actual Loops"]
            * (
                part["Actual Rows"]
                + part.get("Rows Removed by Filter", 0)
                + part.get("Rows Removed by Index Recheck", 0)
            ),
        )
        for plan in watched.plans
        for part in parts(plan)
        if re.match("attempt|quote|idempotency|client", part.get("Relation Name", ""))
    ]


def test_no_read_of_a_quote_scans_a_table(crowd: Book, connection: psycopg.Connection[Any]) -> None:
    agency, watched = crowd.agency, Watched(connection)
    asked: Any = watched
    attempts = len(agency.attempts())
    since = agency.runtime.clock.now() - timedelta(days=1)
    keys = [(row["started_at"], row["id"]) for row in agency.attempts()]

    of_quote.without_version(asked, agency.agent_id, crowd.draft, since=since)
    of_quote.by_keys(asked, agency.agent_id, keys)
    of_quote.between(
        asked,
        agency.agent_id,
        crowd.draft,
        [agency.runtime.clock.now()],
        since=since,
        until=None,
        most=3,
    )
    one_quote.check(asked, SystemClock(), agency.agent_id, crowd.draft)

    read = reads(watched)
    assert read
    assert [each for each in read if each[0] == "Seq Scan"] == []
    most = {"attempt": 2 * attempts, "quote": 10}
    for _, table, rows in read:
        assert rows <= most.get(table.partition("_p")[0], 2 * attempts), (table, rows)


def test_looking_for_a_quotes_agent_reads_what_is_near_it_in_time(
    crowd: Book, connection: psycopg.Connection[Any]
) -> None:
    watched = Watched(connection)
    asked: Any = watched

    assert of_quote.agent_of(asked, crowd.draft) == crowd.agency.agent_id

    read = reads(watched)
    assert [each for each in read if each[0] == "Seq Scan"] == []
    assert sum(rows for _, _, rows in read) < _LEDGER / 4
