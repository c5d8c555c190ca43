"""The story of an attempt, read by keys, beside what plain SQL over the whole ledger says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import psycopg
import pytest
from psycopg.rows import dict_row

from engine.attempts import ledger, story
from engine.attempts.ledger import AttemptRow
from engine.attempts.lookup import AttemptKey
from engine.attempts.outcome import UNKNOWN_AGENT, Outcome
from engine.attempts.story import NEAR, NEXT, Story
from engine.clock import SystemClock
from engine.quotes.lifecycle import Operation
from tests.support import Agency, new_agency, quote_body

CLOCK: Final = SystemClock()


@pytest.fixture
def connection(agency: Agency) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(agency.runtime.target.app, autocommit=True) as opened:
        yield opened


def test_every_story_of_a_busy_agent_is_what_plain_sql_says(
    agency: Agency, connection: psycopg.Connection[Any]
) -> None:
    other = new_agency(agency.runtime)
    quotes = [agency.create(), other.create(), agency.create()]
    for number in range(1, 5):
        agency.update(quotes[0], number, taxes=number)
        agency.update(quotes[0], number, taxes=number)
        agency.update(quotes[2], 1, taxes=number)
        other.update(quotes[1], number, taxes=number)
        agency.save(
            Operation.CREATE, body=quote_body(), idempotency_key="once", correlation_id="again-1"
        )
        agency.update(quotes[0], number + 1, adults=0)
    agency.save(Operation.SEND, quotes[0], {})
    agency.update(quotes[0], 6, taxes=1)

    rows = [*agency.attempts(), *other.attempts()]
    told = [story.tell(connection, row) for row in rows]

    assert {each.row["outcome"] for each in told} >= {
        "committed", "conflict", "rejected", "replayed"
    }  # fmt: skip
    for each in told:
        _agrees_with_oracle(each, connection)


def _agrees_with_oracle(told: Story, connection: psycopg.Connection[Any]) -> None:
    row = told.row
    assert told == story.read(connection, told.key)
    with connection.cursor(row_factory=dict_row) as cursor:
        everything = cursor.execute(
            "SELECT * FROM ledger WHERE agent_id = %s ORDER BY started_at, id", [row["agent_id"]]
        ).fetchall()
    place = next(i for i, each in enumerate(everything) if each["id"] == row["id"])
    around = everything[max(place - NEXT, 0) : place] + everything[place + 1 : place + 1 + NEXT]
    assert [each.id for each in told.by_agent] == [each["id"] for each in around]
    for column, found in (("quote_id", told.on_quote), ("idempotency_key", told.on_key)):
        same = [
            each["id"]
            for each in everything
            if row[column] is not None and each[column] == row[column] and each["id"] != row["id"]
        ]
        assert [each.id for each in found] == same
    number = connection.execute(
        "SELECT quote_number FROM quote WHERE agent_id = %s AND id = %s",
        [row["agent_id"], row["quote_id"]],
    ).fetchone()
    assert (told.quote is None) == (number is None)
    assert number is None or f"of quote {number[0]} by agent" in told.sentence
    maker = connection.execute(
        "SELECT correlation_id, modified_at, attempt_id FROM quote_revision"
        " WHERE quote_id = %s AND version = %s",
        [row["quote_id"], row["actual_version"]],
    ).fetchone()
    if row["outcome"] in {"conflict", "replayed"}:
        assert maker is not None
        assert told.maker == maker[:2]
        assert f" {maker[0]}, " in told.sentence
    else:
        assert told.maker is None
    if row["outcome"] == "committed":
        assert maker is not None
        assert maker[2] == row["id"]
        assert told.drawn_up_at == maker[1]
        assert row["started_at"] <= told.drawn_up_at
    instants = [each.at for each in told.steps if each.at is not None]
    assert instants == sorted(instants)


def test_a_conflict_whose_winner_is_far_away_names_it_all_the_same(
    agency: Agency, connection: psycopg.Connection[Any]
) -> None:
    quote_id = agency.create()
    agency.update(quote_id, 1, taxes=1)
    winner = agency.attempts()[-1]
    started_at = CLOCK.now() + timedelta(hours=30)
    late = _attempt(agency, started_at=started_at, quote_id=quote_id, actual_version=2,
                    outcome=Outcome.CONFLICT.value, error_code=3, expected_version=1)  # fmt: skip
    ledger.insert(connection, late)

    told = story.read(connection, AttemptKey(late.agent_id, late.started_at, late.id))

    assert told is not None
    assert told.by_agent == ()
    assert [each.id for each in told.on_quote] == [each["id"] for each in agency.attempts()[:-1]]
    assert f"the winner was {winner['correlation_id']}, " in told.sentence
    assert " h earlier" in told.sentence


def test_an_attempt_of_a_caller_who_was_not_known_has_no_neighbours(
    agency: Agency, connection: psycopg.Connection[Any]
) -> None:
    rows = [
        _attempt(agency, agent_id=UNKNOWN_AGENT, outcome=Outcome.REJECTED.value, error_code=8)
        for _ in range(3)
    ]
    for row in rows:
        ledger.insert(connection, row)

    told = story.read(connection, AttemptKey(UNKNOWN_AGENT, rows[0].started_at, rows[0].id))

    assert told is not None
    assert "by a caller who was not known" in told.sentence
    assert (told.on_quote, told.on_key, told.by_agent, told.quote) == ((), (), (), None)


def test_there_is_no_story_of_an_attempt_that_there_is_not(
    agency: Agency, connection: psycopg.Connection[Any]
) -> None:
    assert story.read(connection, AttemptKey(agency.agent_id, CLOCK.now(), CLOCK.uuid7())) is None


def test_a_long_ledger_is_not_scanned(agency: Agency, connection: psycopg.Connection[Any]) -> None:
    """However many attempts the agent has, so many rows are looked at and no more."""
    quote_id = agency.create()
    agency.update(quote_id, 1, taxes=1)
    row = agency.attempts()[-1]
    with connection.cursor() as cursor:
        cursor.execute(_MANY, [agency.agent_id, row["started_at"]])
    with psycopg.connect(agency.runtime.target.owner, autocommit=True) as owner:
        owner.execute("VACUUM ANALYZE attempt")
    given = {**row, "since": row["started_at"] - story.REACH, "near": NEAR, "next": NEXT,
             "until": row["started_at"] + story.REACH, "shared": 20}  # fmt: skip
    keys = story._columns_of([AttemptKey(row["agent_id"], row["started_at"], row["id"])])

    for statement, values in (
        (story._BEFORE, given), (story._AFTER, given), (story._ROWS, keys),
    ):  # fmt: skip
        plan = "\n".join(
            line
            for (line,) in connection.execute(
                b"EXPLAIN (ANALYZE, TIMING OFF) " + statement, values
            ).fetchall()
        )
        assert {int(float(each)) for each in _SCANNED.findall(plan)} <= {0}, plan
        read = [int(float(each)) for each in _ROWS_READ.findall(plan)]
        assert max(read) <= NEAR, plan


_ROWS_READ: Final = re.compile(r"Scan.*actual rows=([\d.]+)")
# Of days that have no rows; others are not even opened.
_SCANNED: Final = re.compile(r"(?:Seq|Bitmap Heap) Scan on attempt.*actual rows=([\d.]+)")
_MANY: Final = """
    INSERT INTO attempt (
        agent_id, started_at, id, origin_id, duration_us, database_us, operation, outcome,
        retries, path, source, correlation_id
    )
    SELECT
        %s, %s::timestamptz + number * interval '1 millisecond', gen_random_uuid(), 1, 10, 5, 2, 1,
        0, 1, 1, 'many'
    FROM generate_series(-20000, 20000) AS number
    WHERE number <> 0
"""


def _attempt(agency: Agency, **changes: Any) -> AttemptRow:
    given: dict[str, Any] = {
        "agent_id": agency.agent_id,
        "started_at": CLOCK.now(),
        "id": CLOCK.uuid7(),
        "origin_id": 1,
        "duration_us": 1_000,
        "operation": Operation.UPDATE.value,
        "correlation_id": "REQ-SOME",
    }
    return AttemptRow(**given | changes)
