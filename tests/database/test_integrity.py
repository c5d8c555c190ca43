"""The integrity rules: silent over whatever the engine saved, loud over every sabotage."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

import psycopg
import pytest
from psycopg import pq, sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.attempts.partitions import partition_name
from engine.clock import SystemClock
from engine.database.target import Target
from engine.integrity import repricing, verification
from engine.integrity.report import as_json, report_lines
from engine.integrity.rules import RULES, RuleResult, is_clean
from engine.integrity.verification import Progress, verify
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime, open_runtime
from engine.saving.answer import Saved
from engine.settings import Settings
from tests.support import Agency, new_agency, quote_body


def verified(
    target: Target, progress: Progress | None = None, *, on_two: bool = False
) -> dict[str, RuleResult]:
    """As the application's role: whoever serves may verify."""
    with (
        psycopg.connect(target.app, autocommit=True) as connection,
        psycopg.connect(target.app, autocommit=True) as second,
    ):
        beside = second if on_two else None
        results = verify(connection, SystemClock(), beside=beside, progress=progress)
    return {result.rule.id: result for result in results}


def broken(results: dict[str, RuleResult]) -> dict[str, Any]:
    """What a red test should show: the rules with their offenders."""
    return {id_: result.offenders for id_, result in results.items() if result.violations}


class Book(NamedTuple):
    """An agent's quotes in every status, after saves that went well and saves that did not."""

    agency: Agency
    superuser: str
    draft: UUID
    bare: UUID
    sent: UUID
    rejected: UUID
    accepted: UUID
    deleted: UUID

    def parameters(self) -> dict[str, Any]:
        """The quotes by their names, for statements."""
        return {name: getattr(self, name) for name in self._fields[2:]}


def filled_book(agency: Agency, superuser: str = "") -> Book:
    create, update, move = agency.create, agency.update, agency.save
    book = Book(agency, superuser, *(create(clientId=str(agency.client_id)) for _ in range(6)))
    # Nothing priced: a price of 0 whatever the percentages.
    book = book._replace(
        bare=create(flights=[], hotels=[], transfers=[], activities=[], taxes=0, fees=0, discount=0)
    )
    endings = [
        update(book.draft, 1, agentMarkupPercent=20, agentNotes="call Inês before noon"),
        move(Operation.SEND, book.sent),
        move(Operation.SEND, book.rejected),
        move(Operation.REJECT, book.rejected, {"reason": "too dear"}),
        move(Operation.SEND, book.accepted, {"version": 1}),
        move(Operation.ACCEPT, book.accepted),
        move(Operation.DELETE, book.deleted),
        move(Operation.CREATE, body=quote_body(), idempotency_key="k-1"),
        move(Operation.CREATE, body=quote_body(), idempotency_key="k-1"),
        move(Operation.UPDATE, book.draft, {"version": 2, "fees": 1}, idempotency_key="k-2"),
        move(Operation.UPDATE, book.draft, {"version": 2, "fees": 1}, idempotency_key="k-2"),
        update(book.draft, 1, tripName="Porto"),
        update(book.sent, 2, tripName="Porto"),
        update(book.deleted, 2, tripName="Porto"),
        update(book.draft, 3, discount=99_999_999),
        update(book.draft, 3, adults=0),
        move(Operation.CREATE, body=quote_body(clientId=str(agency.agent_id))),
        move(Operation.CREATE, body=quote_body(), idempotency_key="k-2"),
    ]
    assert [ending.http_status for ending in endings] == [
        *(200,) * 7, 201, 201, 200, 200, 409, 409, 404, 400, 400, 404, 422
    ]  # fmt: skip
    return book


@pytest.fixture
def book(agency: Agency, server: str) -> Book:
    name = conninfo_to_dict(agency.runtime.target.owner)["dbname"]
    return filled_book(agency, make_conninfo(server, dbname=name))


# --- silent ---------------------------------------------------------------------------------------


def test_an_empty_database_is_clean_and_nothing_was_looked_at(target: Target) -> None:
    results = verified(target)

    assert is_clean(list(results.values()))
    assert {result.checked for result in results.values()} == {0}


@pytest.mark.parametrize("form", ["one-statement", "several-statements"])
def test_whatever_was_saved_and_refused_breaks_no_rule(
    target: Target, settings: Settings, form: Literal["one-statement", "several-statements"]
) -> None:
    with open_runtime(settings.model_copy(update={"write_form": form}), target) as runtime:
        for _ in range(2):
            filled_book(new_agency(runtime))

    results = verified(target)

    assert broken(results) == {}
    assert list(results) == list(RULES)
    assert all(result.checked for result in results.values())
    assert results["DI-6"].checked == 2 * 8


@pytest.mark.parametrize("on_two", [False, True], ids=["one-connection", "two-connections"])
def test_saves_that_commit_between_the_checks_break_no_rule(book: Book, *, on_two: bool) -> None:
    agency = book.agency
    turns: list[int] = []

    def save_meanwhile(_rule: object, _done: int, _total: int) -> None:
        quote_id = agency.create()
        ending = agency.update(quote_id, 1, fees=len(turns))
        agency.save(Operation.DELETE if len(turns) % 2 else Operation.SEND, quote_id)
        turns.append(ending.http_status)

    results = verified(agency.runtime.target, save_meanwhile, on_two=on_two)

    assert broken(results) == {}
    assert len(turns) > len(RULES)
    assert results["DI-6"].checked == results["DI-1"].checked


def test_saves_from_many_threads_break_no_rule_while_they_run(book: Book) -> None:
    agency, start = book.agency, threading.Barrier(5)

    def work(number: int) -> None:
        start.wait()
        for turn in range(20):
            key = f"{number}-{turn // 2}"
            agency.save(Operation.CREATE, body=quote_body(), idempotency_key=key)
            current = agency.runtime.quotes.get(agency.agent_id, book.draft)
            agency.update(book.draft, current.version if current else 1, fees=turn)

    found: list[dict[str, Any]] = []
    with ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(work, number) for number in range(4)]
        start.wait()
        while not all(worker.done() for worker in workers):
            on_two = len(found) % 2 == 1
            found.append(broken(verified(agency.runtime.target, on_two=on_two)))
        for worker in workers:
            worker.result()

    assert found
    assert [each for each in found if each] == []
    assert broken(verified(agency.runtime.target)) == {}


def drop_days_until(book: Book, last: datetime) -> None:
    """Does what retention does."""
    with psycopg.connect(book.agency.runtime.target.owner) as owner:
        # At midnight the oldest day may be the one before.
        for day in (last - timedelta(days=1), last):
            partition = sql.Identifier(partition_name(day.date()))
            owner.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(partition))


def test_attempts_that_retention_dropped_are_not_missed(book: Book) -> None:
    agency = book.agency
    yesterday = agency.runtime.clock.now() - timedelta(days=1)
    created = agency.save(Operation.CREATE, body=quote_body(), started_at=yesterday)
    assert isinstance(created, Saved)
    changes = {"version": 1, "fees": 1}
    agency.save(Operation.UPDATE, created.quote_id, changes, started_at=yesterday)
    agency.update(created.quote_id, 2, fees=2)
    before = verified(agency.runtime.target)
    drop_days_until(book, yesterday)

    after = verified(agency.runtime.target)

    assert (broken(before), broken(after)) == ({}, {})
    # Each of the two is looked at twice: beside its revision, and for how it was answered.
    assert before["DI-13"].checked - after["DI-13"].checked == 2 * 2


def test_a_revision_keeps_its_correlation_id_when_its_attempt_is_dropped(book: Book) -> None:
    yesterday = book.agency.runtime.clock.now() - timedelta(days=1)
    book.agency.save(Operation.CREATE, body=quote_body(), started_at=yesterday)
    drop_days_until(book, yesterday)
    old = "UPDATE quote_revision SET correlation_id = '' WHERE attempt_started_at <"
    sabotage(book, f"{old} now() - interval '23 hours'")

    results = verified(book.agency.runtime.target)

    assert broken(results).keys() == {"DI-15"}


def test_an_attempt_that_is_gone_from_a_day_that_is_kept_is_missed(book: Book) -> None:
    yesterday = book.agency.runtime.clock.now() - timedelta(days=1)
    book.agency.save(Operation.CREATE, body=quote_body(), started_at=yesterday)
    sabotage(book, "DELETE FROM attempt WHERE started_at < now() - interval '23 hours'")

    results = verified(book.agency.runtime.target)

    assert broken(results).keys() == {"DI-13", "DI-16"}


def test_attempts_on_a_day_without_a_partition_are_compared_all_the_same(book: Book) -> None:
    long_ago = book.agency.runtime.clock.now() - timedelta(days=40)
    book.agency.save(Operation.CREATE, body=quote_body(), started_at=long_ago)
    untouched = verified(book.agency.runtime.target)
    sabotage(book, "UPDATE attempt_default SET actual_version = 5")

    results = verified(book.agency.runtime.target)

    assert broken(untouched) == {}
    assert broken(results).keys() == {"DI-13"}


def test_what_is_dropped_meanwhile_waits_for_the_end(book: Book) -> None:
    target, refused = book.agency.runtime.target, []

    def drop_meanwhile(_rule: object, _done: int, _total: int) -> None:
        with psycopg.connect(target.owner) as owner:
            owner.execute("SET lock_timeout = '1ms'")
            try:
                owner.execute("DROP TABLE attempt CASCADE")
            except psycopg.errors.LockNotAvailable:
                refused.append(True)

    results = verified(target, drop_meanwhile)

    assert refused
    assert broken(results) == {}


def test_a_history_that_a_migration_began_is_no_fault(book: Book) -> None:
    target = book.agency.runtime.target
    sabotage(
        book,
        "DELETE FROM attempt WHERE quote_id = %(bare)s",
        "SET timezone = 'Asia/Tokyo'",
        """
        UPDATE quote_revision r
        SET attempt_id = NULL, attempt_started_at = NULL, correlation_id = NULL,
            snapshot = to_jsonb(q)
        FROM quote q
        WHERE q.id = r.quote_id AND q.id = %(bare)s
        """,
        "ALTER TABLE quote ADD COLUMN added_later text NOT NULL DEFAULT 'x'",
    )
    untouched = verified(target)
    book.agency.update(book.bare, 1, fees=3)

    saved_since = verified(target)

    assert (broken(untouched), broken(saved_since)) == ({}, {})


# --- loud -----------------------------------------------------------------------------------------

# The newest revision is made to say what the quote says now, so that DI-2 has nothing to add.
TELL_HISTORY = """
    UPDATE quote_revision r
    SET snapshot = to_jsonb(q)
    FROM quote q
    WHERE q.agent_id = r.agent_id AND q.id = r.quote_id AND q.version = r.version
"""


def sabotage(book: Book, *statements: str) -> None:
    """Does what no save can do, as a role that may do anything; parameters are the quotes."""
    with psycopg.connect(book.superuser) as connection:
        for statement in statements:
            values = book.parameters() if "%(" in statement else None
            assert connection.execute(statement, values).rowcount != 0


class Sabotage(NamedTuple):
    name: str
    red: set[str]
    statements: Sequence[str]
    tells_history: bool = True


def quote_sabotage(
    name: str, red: set[str], change: str, quote: str = "draft", drop: Sequence[str] = ()
) -> Sabotage:
    """Changes a quote's row in place, without the constraints that would not let it."""
    unguarded = [f"ALTER TABLE quote {guard}" for guard in drop]
    update = f"UPDATE quote SET {change} WHERE id = %({quote})s"  # noqa: S608  # our own words
    return Sabotage(name, red, (*unguarded, update))


# The rules that one row can show stand in one constraint.
SOUND = "DROP CONSTRAINT IF EXISTS quote_is_sound"
NUMBER_UNIQUE = "DROP CONSTRAINT quote_number_key"

SABOTAGES = (
    Sabotage(
        "version 0",
        {"DI-1"},
        (
            f"ALTER TABLE quote {SOUND}",
            "ALTER TABLE quote_revision DROP CONSTRAINT quote_revision_version_positive",
            "UPDATE quote SET version = 0 WHERE id = %(bare)s",
            """
            UPDATE quote_revision
            SET version = 0, attempt_id = NULL, attempt_started_at = NULL
            WHERE quote_id = %(bare)s
            """,
            "DELETE FROM attempt WHERE quote_id = %(bare)s",
        ),
    ),
    Sabotage(
        "a revision in the middle is gone",
        {"DI-2", "DI-13"},
        ("DELETE FROM quote_revision WHERE quote_id = %(draft)s AND version = 2",),
    ),
    Sabotage(
        "the first revision is gone",
        {"DI-2", "DI-13"},
        ("DELETE FROM quote_revision WHERE quote_id = %(draft)s AND version = 1",),
    ),
    Sabotage(
        "the newest revision is gone",
        {"DI-2", "DI-13"},
        ("DELETE FROM quote_revision WHERE quote_id = %(draft)s AND version = 3",),
    ),
    Sabotage(
        "the whole history is gone",
        {"DI-2", "DI-13", "DI-14"},
        ("DELETE FROM quote_revision WHERE quote_id = %(accepted)s",),
    ),
    Sabotage(
        "a version twice and another never",
        {"DI-2", "DI-13"},
        (
            "ALTER TABLE quote_revision DROP CONSTRAINT quote_revision_pkey",
            "UPDATE quote_revision SET version = 3 WHERE quote_id = %(draft)s AND version = 2",
        ),
    ),
    Sabotage(
        "the newest snapshot says another thing",
        {"DI-2", "DI-5"},
        (
            """
            UPDATE quote_revision
            SET snapshot = snapshot || '{"agent_notes": "call Ana", "fees": 2}'
            WHERE quote_id = %(draft)s AND version = 3
            """,
        ),
        tells_history=False,
    ),
    Sabotage(
        "the newest snapshot lacks a column",
        {"DI-2", "DI-5"},
        ("UPDATE quote_revision SET snapshot = snapshot - 'total' WHERE quote_id = %(bare)s",),
        tells_history=False,
    ),
    Sabotage(
        "the quote was changed without a save",
        {"DI-2"},
        ("UPDATE quote SET trip_name = 'Porto' WHERE id = %(draft)s",),
        tells_history=False,
    ),
    Sabotage(
        "an older revision says another version",
        {"DI-2"},
        (
            """
            UPDATE quote_revision SET snapshot = snapshot || '{"version": 7}'
            WHERE quote_id = %(draft)s AND version = 1
            """,
        ),
    ),
    quote_sabotage("deleted and not cancelled", {"DI-3"}, "deleted_at = now()", drop=[SOUND]),
    quote_sabotage(
        "cancelled and not deleted",
        {"DI-3"},
        "deleted_at = NULL",
        "deleted",
        drop=[SOUND],
    ),
    quote_sabotage(
        "nobody changed it",
        {"DI-4"},
        "last_modified_by = NULL",
        drop=["ALTER last_modified_by DROP NOT NULL"],
    ),
    quote_sabotage("somebody without a name changed it", {"DI-4"}, "last_modified_by = ''"),
    quote_sabotage(
        "changed at no time",
        {"DI-4"},
        "last_modified_at = NULL",
        drop=["ALTER last_modified_at DROP NOT NULL"],
    ),
    Sabotage(
        "nobody made a revision",
        {"DI-4"},
        ("UPDATE quote_revision SET modified_by = '' WHERE quote_id = %(draft)s AND version = 1",),
    ),
    quote_sabotage("a cent too much", {"DI-5", "DI-6"}, "total = total + 0.01", drop=[SOUND]),
    quote_sabotage(
        "a subtotal that is not the sum",
        {"DI-5", "DI-6"},
        "subtotal = subtotal + 1, total = total + 1",
        drop=[SOUND],
    ),
    Sabotage(
        "an older revision of another price",
        {"DI-5"},
        (
            """
            UPDATE quote_revision SET snapshot = snapshot || '{"total": 1.00}'
            WHERE quote_id = %(draft)s AND version = 1
            """,
        ),
    ),
    Sabotage(
        "an older revision of no price",
        {"DI-5"},
        (
            """
            UPDATE quote_revision SET snapshot = snapshot || '{"fees": "much", "taxes": null}'
            WHERE quote_id = %(draft)s AND version = 1
            """,
        ),
    ),
    quote_sabotage(
        "a dearer base that adds up",
        {"DI-6"},
        "base_price = base_price + 1, subtotal = subtotal + 1, total = total + 1",
    ),
    quote_sabotage("another price per person", {"DI-6"}, "per_person = per_person + 0.01"),
    quote_sabotage(
        "an item's price changed",
        {"DI-6"},
        "flights = jsonb_set(flights, '{0,price}', '451.00')",
    ),
    quote_sabotage("an item without a price", {"DI-6"}, "hotels = hotels #- '{0,price}'"),
    quote_sabotage("an item without its nights", {"DI-6"}, "hotels = hotels #- '{0,nights}'"),
    quote_sabotage("items that are no list", {"DI-6"}, "custom_items = '{}'"),
    quote_sabotage(
        "items that are no items", {"DI-6"}, """custom_items = '[1, null, "x", [[]]]'"""
    ),
    quote_sabotage(
        "a price in words",
        {"DI-6"},
        "flights = jsonb_set(flights, '{0,price}', '\"much\"')",
    ),
    quote_sabotage("a policy that nobody knows", {"DI-6"}, "pricing_policy = 'summer'"),
    quote_sabotage("a traveller too many", {"DI-7"}, "travelers = travelers + 1", drop=[SOUND]),
    quote_sabotage("children alone", {"DI-7"}, "adults = 0, children = 2", drop=[SOUND]),
    quote_sabotage("a child less than none", {"DI-7"}, "adults = 3, children = -1", drop=[SOUND]),
    quote_sabotage("an infant less than none", {"DI-7"}, "adults = 3, infants = -1", drop=[SOUND]),
    quote_sabotage("a whole bus", {"DI-7"}, "adults = 51, travelers = 51", "bare", drop=[SOUND]),
    quote_sabotage("a day too many", {"DI-8"}, "duration_days = duration_days + 1"),
    quote_sabotage(
        "a trip that ends before it starts",
        {"DI-8"},
        "end_date = start_date - interval '1 day', duration_days = -1",
        drop=[SOUND],
    ),
    quote_sabotage(
        "a trip of more than a year",
        {"DI-8"},
        "end_date = start_date + interval '400 days', duration_days = 400",
        drop=[SOUND],
    ),
    quote_sabotage(
        "a markup of half as much again",
        {"DI-9"},
        "agent_markup_percent = 150",
        "bare",
        drop=[SOUND],
    ),
    quote_sabotage("an unknown currency", {"DI-6", "DI-9"}, "currency = 'XXX'", drop=[SOUND]),
    quote_sabotage(
        "a negative fee",
        {"DI-6", "DI-9"},
        "fees = -1, total = total - fees - 1",
        drop=[SOUND],
    ),
    quote_sabotage(
        "an item of a negative price beside a dearer one",
        {"DI-9"},
        """
        activities = '[
            {"name": "a", "price": -30.00, "priceType": "total"},
            {"name": "b", "price": 50.00, "priceType": "total"}
        ]',
        base_price = 20.00, subtotal = 20.00, agent_markup_percent = 0, total = 20.00,
        per_person = 10.00
        """,
        "bare",
    ),
    quote_sabotage(
        "an item in another currency",
        {"DI-9"},
        "activities = jsonb_set(activities, '{0,currency}', '\"JPY\"')",
    ),
    quote_sabotage(
        "an insurance in another currency",
        {"DI-9"},
        """insurance = '{"price": 0, "priceType": "total", "currency": "EUR"}'""",
    ),
    # NaN is greater than 0, and equal to NaN; in a snapshot it is a text, which adds up to nothing.
    quote_sabotage(
        "amounts that are not numbers",
        {"DI-5", "DI-6", "DI-9"},
        "taxes = 'NaN', total = 'NaN'",
        drop=[SOUND],
    ),
    quote_sabotage(
        "another agent's client",
        {"DI-10"},
        "client_id = (SELECT id FROM client WHERE agent_id <> quote.agent_id LIMIT 1)",
        drop=["DROP CONSTRAINT quote_client_fkey"],
    ),
    quote_sabotage(
        "another quote's number",
        {"DI-11"},
        "quote_number = (SELECT quote_number FROM quote WHERE id = %(sent)s)",
        drop=[NUMBER_UNIQUE],
    ),
    quote_sabotage("a number of no form", {"DI-11"}, "quote_number = 'QT-2026-7'"),
    quote_sabotage("sent at no time", {"DI-12"}, "sent_at = NULL", "sent", drop=[SOUND]),
    quote_sabotage(
        "rejected and never sent", {"DI-12"}, "sent_at = NULL", "rejected", drop=[SOUND]
    ),
    quote_sabotage(
        "expired and never sent",
        {"DI-12"},
        "status = 'EXPIRED', sent_at = NULL",
        "sent",
        drop=[SOUND],
    ),
    quote_sabotage(
        "accepted at no time",
        {"DI-12"},
        "accepted_at = NULL",
        "accepted",
        drop=[SOUND],
    ),
    quote_sabotage(
        "rejected at no time",
        {"DI-12"},
        "rejected_at = NULL",
        "rejected",
        drop=[SOUND],
    ),
    quote_sabotage(
        "a status that is in no order",
        {"DI-12"},
        "status = 'PARKED'",
        "sent",
        drop=[SOUND],
    ),
    Sabotage(
        "an attempt is gone",
        {"DI-13", "DI-16"},
        ("DELETE FROM attempt WHERE quote_id = %(draft)s AND outcome = 1 AND actual_version = 2",),
    ),
    Sabotage(
        "an attempt says another version",
        {"DI-13"},
        (
            """
            UPDATE attempt SET actual_version = 7
            WHERE quote_id = %(draft)s AND outcome = 1 AND actual_version = 2
            """,
        ),
    ),
    Sabotage(
        "an attempt says another quote",
        {"DI-13", "DI-16"},
        ("UPDATE attempt SET quote_id = %(sent)s WHERE quote_id = %(bare)s",),
    ),
    Sabotage(
        "an attempt says another operation",
        {"DI-13"},
        ("UPDATE attempt SET operation = 2 WHERE quote_id = %(sent)s AND operation = 4",),
    ),
    Sabotage(
        "a refused attempt says that it was committed",
        {"DI-13", "DI-16"},
        (
            """
            UPDATE attempt SET outcome = 1, error_code = NULL
            WHERE quote_id = %(draft)s AND outcome = 4
            """,
        ),
    ),
    Sabotage(
        "a committed attempt that was answered as refused",
        {"DI-13"},
        ("UPDATE attempt SET http_status = 500 WHERE quote_id = %(bare)s",),
    ),
    Sabotage(
        "a replay that was answered with nothing",
        {"DI-13"},
        ("UPDATE attempt SET http_status = NULL WHERE outcome = 2 AND quote_id = %(draft)s",),
    ),
    Sabotage(
        "a later revision without an attempt",
        {"DI-13", "DI-16"},
        (
            """
            UPDATE quote_revision SET attempt_id = NULL, attempt_started_at = NULL
            WHERE quote_id = %(draft)s AND version = 2
            """,
        ),
    ),
    Sabotage(
        "later revisions that name no attempt and whose attempts are gone",
        {"DI-13", "DI-16"},
        (
            "DELETE FROM attempt WHERE quote_id = %(rejected)s",
            """
            UPDATE quote_revision SET attempt_id = NULL, attempt_started_at = NULL
            WHERE quote_id = %(rejected)s
            """,
        ),
    ),
    Sabotage(
        "an idempotency key that names another attempt",
        {"DI-13"},
        ("UPDATE idempotency_key SET attempt_id = gen_random_uuid() WHERE key = 'k-2'",),
    ),
    Sabotage(
        "an idempotency key that names a version that never was",
        {"DI-13"},
        ("UPDATE idempotency_key SET version = 9 WHERE key = 'k-2'",),
    ),
    Sabotage(
        "a replay of what never was",
        {"DI-13"},
        ("UPDATE attempt SET actual_version = 9 WHERE outcome = 2 AND quote_id = %(draft)s",),
    ),
    Sabotage(
        "another status in the history",
        {"DI-2", "DI-14"},
        (
            """
            UPDATE quote_revision SET snapshot = snapshot || '{"status": "SENT"}'
            WHERE quote_id = %(bare)s
            """,
        ),
        tells_history=False,
    ),
    Sabotage(
        "a history without its quote",
        {"DI-14"},
        (
            "ALTER TABLE quote_revision DROP CONSTRAINT quote_revision_quote_fkey",
            "DELETE FROM quote WHERE id = %(sent)s",
        ),
    ),
    Sabotage(
        "fewer numbers given than used", {"DI-14"}, ("UPDATE quote_number_block SET given = 7",)
    ),
    Sabotage("no numbers given", {"DI-14"}, ("DELETE FROM quote_number_block",)),
    Sabotage(
        "one id for two agents' attempts",
        {"DI-15"},
        (
            """
            UPDATE attempt SET id = (SELECT id FROM attempt WHERE outcome = 3 LIMIT 1),
                agent_id = gen_random_uuid()
            WHERE outcome = 4
            """,
        ),
    ),
    Sabotage(
        "an attempt without a correlation id",
        {"DI-15"},
        (
            "ALTER TABLE attempt DROP CONSTRAINT attempt_is_sound",
            "UPDATE attempt SET correlation_id = '' WHERE outcome = 4",
        ),
    ),
    Sabotage(
        "a revision without a correlation id",
        {"DI-13", "DI-15"},
        ("UPDATE quote_revision SET correlation_id = NULL WHERE quote_id = %(bare)s",),
    ),
    Sabotage(
        "two correlation ids for one attempt",
        {"DI-13", "DI-15"},
        ("UPDATE attempt SET correlation_id = 'REQ-OTHER' WHERE quote_id = %(bare)s",),
    ),
    Sabotage(
        "an attempt twice, in every column",
        {"DI-15", "DI-16"},
        (
            "ALTER TABLE attempt DROP CONSTRAINT attempt_pkey",
            "INSERT INTO attempt SELECT * FROM attempt WHERE quote_id = %(bare)s",
        ),
    ),
    Sabotage(
        "a version that was never saved, told as if a migration had found it",
        {"DI-2", "DI-16"},
        (
            "UPDATE quote SET version = 5 WHERE id = %(bare)s",
            "UPDATE quote_revision SET version = 5 WHERE quote_id = %(bare)s",
            "UPDATE attempt SET actual_version = 5 WHERE quote_id = %(bare)s",
        ),
    ),
)


@pytest.mark.parametrize("sabotage_", SABOTAGES, ids=lambda each: each.name.replace(" ", "-"))
def test_a_sabotage_turns_its_own_rules_red_and_no_other(
    book: Book, runtime: Runtime, sabotage_: Sabotage
) -> None:
    new_agency(runtime)
    target = runtime.target
    sabotage(book, *sabotage_.statements)
    if sabotage_.tells_history:
        sabotage(book, TELL_HISTORY)

    results = verified(target)

    assert broken(results).keys() == sabotage_.red
    for result in results.values():
        assert result.violations >= len(result.offenders) >= bool(result.violations)
        assert all(offender["problem"] and len(offender) > 2 for offender in result.offenders)
    told = "\n".join([as_json(list(results.values())), *report_lines(list(results.values()))])
    private = ("Lisbon", "Porto", "Inês", "Ana", "Chiado", "@", "k-2")
    assert [word for word in private if word in told] == []


def test_every_rule_has_a_sabotage() -> None:
    assert set().union(*(each.red for each in SABOTAGES)) == set(RULES)


def test_an_offender_is_shown_with_what_disagrees(book: Book) -> None:
    sabotage(
        book,
        "UPDATE quote SET per_person = 1 WHERE id = %(draft)s",
        "UPDATE quote SET duration_days = 9, custom_notes = 'secret' WHERE id = %(sent)s",
    )

    results = verified(book.agency.runtime.target, on_two=True)

    (price,) = results["DI-6"].offenders
    assert price["quote_id"] == book.draft
    assert price["per_person_stored"] == Decimal(1)
    assert str(price["per_person_repriced"]) == "1284.75"
    (trip,) = results["DI-8"].offenders
    assert (trip["quote_id"], trip["duration_days"]) == (book.sent, 9)
    differing = {
        each["quote_id"]: each["columns_that_differ"] for each in results["DI-2"].offenders
    }
    assert differing == {
        book.draft: ["per_person"],
        book.sent: ["custom_notes", "duration_days"],
    }


def test_an_item_out_of_bounds_is_shown_by_its_price_and_currency(book: Book) -> None:
    sabotage(
        book,
        """
        UPDATE quote SET
            activities = '[{"name": "Ana", "price": -1.50, "currency": "JPY"}]',
            transfers = '[{"provider": "Chiado", "price": 2, "currency": "USD"}]'
        WHERE id = %(bare)s
        """,
    )

    (offender,) = verified(book.agency.runtime.target)["DI-9"].offenders

    assert offender["quote_id"] == book.bare
    assert (offender["item_prices"], offender["item_currencies"]) == ("[-1.50]", '["JPY"]')


def test_offenders_are_counted_all_and_named_a_few(book: Book) -> None:
    sabotage(book, "UPDATE quote SET duration_days = 9, per_person = 1", TELL_HISTORY)

    with psycopg.connect(book.agency.runtime.target.app) as connection:
        results = verify(connection, SystemClock(), offenders_max=2)

    named = {r.rule.id: (r.violations, len(r.offenders)) for r in results if r.violations}
    assert named == {"DI-6": (8, 2), "DI-8": (8, 2)}


def test_several_checks_of_a_rule_share_the_room_for_offenders(book: Book) -> None:
    sabotage(
        book,
        "UPDATE idempotency_key SET version = 9",
        "UPDATE attempt SET actual_version = 9 WHERE outcome = 2",
    )

    with psycopg.connect(book.agency.runtime.target.app) as connection:
        results = verify(connection, SystemClock(), offenders_max=3)

    (ledger,) = [result for result in results if result.violations]
    assert (ledger.rule.id, ledger.violations, len(ledger.offenders)) == ("DI-13", 4, 3)
    assert len({offender["problem"] for offender in ledger.offenders}) == 2


# --- its manners ----------------------------------------------------------------------------------


def test_progress_tells_of_every_rule_and_ends_at_its_rows(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repricing, "_BATCH", 3)
    told: dict[str, list[tuple[int, int]]] = {}

    results = verified(
        book.agency.runtime.target,
        lambda rule, done, total: told.setdefault(rule.id, []).append((done, total)),
    )

    assert told.keys() == RULES.keys()
    for id_, result in results.items():
        assert told[id_][0][0] == 0
        assert told[id_][-1] == (result.checked, result.checked)
    assert told["DI-6"] == [(0, 8), (3, 8), (6, 8), (8, 8), (8, 8)]


def test_verifying_leaves_the_connection_as_it_was(book: Book) -> None:
    settings = ("statement_timeout", "work_mem", "timezone", "search_path", "transaction_read_only")
    with book.agency.runtime.read_pool.connection() as connection:
        before = [connection.execute(f"SHOW {name}").fetchone() for name in settings]
        prepared = "SELECT count(*) FROM pg_prepared_statements"
        statements = connection.execute(prepared).fetchone()

        verify(connection, SystemClock())

        assert connection.info.transaction_status is pq.TransactionStatus.IDLE
        assert [connection.execute(f"SHOW {name}").fetchone() for name in settings] == before
        assert connection.execute(prepared).fetchone() == statements


def test_the_tables_are_read_and_not_their_indexes(book: Book) -> None:
    # Of small tables the planner would not think of anything else.
    sabotage(
        book,
        """
        UPDATE pg_class SET reltuples = 1e6, relpages = 1, relallvisible = 1
        WHERE relname IN ('quote', 'quote_revision', 'quote_number_block')
        """,
    )
    with (
        psycopg.connect(book.agency.runtime.target.app) as connection,
        verification._one_snapshot(connection) as values,
    ):
        plans = [
            str(connection.execute(sql.SQL("EXPLAIN ") + relation.counting(), values).fetchall())
            for relation in verification._RELATIONS
        ]

    assert [plan for plan in plans if "Seq Scan" not in plan or "Index" in plan] == []


@pytest.mark.parametrize("busy", ["first", "second"])
def test_a_connection_in_a_transaction_is_refused(target: Target, busy: str) -> None:
    with psycopg.connect(target.app) as first, psycopg.connect(target.app) as second:
        {"first": first, "second": second}[busy].execute("SELECT 1")

        with pytest.raises(ValueError, match="verify needs its own"):
            verify(first, SystemClock(), beside=second)


def test_the_json_report_is_json_with_exact_amounts(book: Book) -> None:
    sabotage(book, "UPDATE quote SET per_person = 1.10 WHERE id = %(draft)s")

    report = json.loads(
        as_json(list(verified(book.agency.runtime.target).values())), parse_float=Decimal
    )

    assert report["is_clean"] is False
    (offender,) = next(rule for rule in report["rules"] if rule["id"] == "DI-6")["offenders"]
    assert offender["quote_id"] == str(book.draft)
    assert str(offender["per_person_stored"]) == "1.10"
