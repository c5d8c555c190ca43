"""A pasted text leads to the attempt that it means, by an index, and to nobody else's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg import sql

from engine.attempts import probes
from engine.attempts.ledger import AttemptRow
from engine.attempts.lookup import AttemptKey, Certainty, Found, Hit, Kind, find
from engine.attempts.outcome import UNKNOWN_AGENT, Outcome
from engine.attempts.partitions import ensure_partitions
from engine.clock import SystemClock, uuid7
from engine.correlation import PREFIX, make_correlation_id
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from tests.faults.load import Dice
from tests.mangling import Mangler, callers_ids, our_ids
from tests.support import Agency, new_agency

NOW: Final = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)
DAYS: Final = 5
AGENTS: Final = tuple(UUID(int=0x0190_0000_0000_7000_8000_0000_0000_0000 + n) for n in range(4))
_ALL: Final = sql.SQL("COPY attempt ({}) FROM STDIN").format(
    sql.SQL(", ").join(map(sql.Identifier, AttemptRow.__struct_fields__))
)


@pytest.fixture
def connection(target: Target) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(target.app, autocommit=True) as opened:
        yield opened


def row(correlation_id: str, at: datetime = NOW, **more: Any) -> AttemptRow:
    """A committed attempt whose id was made when it started."""
    milliseconds = int(at.timestamp() * 1000)
    given: dict[str, Any] = {
        "agent_id": AGENTS[0],
        "started_at": at,
        "id": uuid7(milliseconds, uuid7(0, correlation_id.encode()[-10:].rjust(10)).bytes[6:]),
        "origin_id": 1,
        "operation": Operation.UPDATE.value,
        "outcome": Outcome.COMMITTED.value,
        "error_code": None,
        "severity": None,
        "retryable": None,
        "correlation_id": correlation_id,
    }
    return AttemptRow(**given | more)


def write(target: Target, rows: Sequence[AttemptRow]) -> None:
    """Adds rows to the ledger; the days are made before."""
    with psycopg.connect(target.owner, autocommit=True) as owner:
        for back in range(DAYS):
            ensure_partitions(owner, NOW - timedelta(days=back), 0)
        with owner.cursor() as cursor, cursor.copy(_ALL) as copy:
            for each in rows:
                copy.write_row(msgspec.structs.astuple(each))
        owner.execute("ANALYZE attempt")


def key_of(attempt: AttemptRow) -> AttemptKey:
    return AttemptKey(attempt.agent_id, attempt.started_at, attempt.id)


def only(found: Found) -> Hit:
    (hit,) = found.hits
    return hit


@pytest.fixture
def ledger(target: Target) -> dict[str, AttemptRow]:
    """Some thousand attempts of several agents, by their correlation ids."""
    dice = Dice("ledger")
    first_ms = int((NOW - timedelta(days=DAYS - 1)).timestamp() * 1000)
    span_ms = (DAYS - 1) * 86_400_000
    rows = {}
    for correlation_id in our_ids(dice, 4_000, first_ms, span_ms):
        value = 0
        for letter in correlation_id[4:14]:
            value = value << 5 | "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(letter)
        at = datetime.fromtimestamp(value / 1000, UTC)
        rows[correlation_id] = row(correlation_id, at, agent_id=dice.pick(AGENTS))
    for correlation_id in callers_ids(dice, 1_000):
        at = NOW - timedelta(days=DAYS - 1) * dice.chance()
        rows[correlation_id] = row(correlation_id, at, agent_id=dice.pick(AGENTS))
    write(target, list(rows.values()))
    return rows


def test_of_a_thousand_mangled_ids_nearly_every_one_leads_first_to_its_attempt(
    connection: psycopg.Connection[Any], ledger: dict[str, AttemptRow]
) -> None:
    ours = [each for each in ledger if each.startswith(PREFIX)]
    callers = [each for each in ledger if not each.startswith(PREFIX)]
    mangled = Mangler(Dice("mangled"), ours, callers).texts(1_000)

    missed = []
    for each in mangled:
        found = find(connection, each.text, NOW)
        if not found.hits or found.hits[0].attempts[:1] != (key_of(ledger[each.meant]),):
            missed.append(each)

    assert len(missed) <= 5, "\n".join(f"{each.done}: {each!r}" for each in missed[:20])


def test_nothing_of_another_agent_is_found_for_one_that_may_see_his_own_only(
    connection: psycopg.Connection[Any], ledger: dict[str, AttemptRow]
) -> None:
    ours = [each for each in ledger if each.startswith(PREFIX)]
    callers = [each for each in ledger if not each.startswith(PREFIX)]
    own, others = 0, 0
    for each in Mangler(Dice("restricted"), ours, callers).texts(300):
        found = find(connection, each.text, NOW, agent_id=AGENTS[1])

        for hit in found.hits:
            assert {key.agent_id for key in hit.attempts} == {AGENTS[1]}
        if ledger[each.meant].agent_id == AGENTS[1]:
            own += 1
            assert found.hits
            assert found.hits[0].attempts[0] == key_of(ledger[each.meant])
        else:
            others += 1
    assert min(own, others) > 30


# How sure a hit is, and why.


def test_an_exact_id_is_exact_and_a_mistyped_one_is_likely(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    attempt = row("x")
    ours = make_correlation_id(attempt.id)
    attempt = row(ours, id=attempt.id)
    write(target, [attempt])

    exact = only(find(connection, f"({ours})", NOW))
    wrong = only(find(connection, ours[:12] + ("7" if ours[12] != "7" else "9") + ours[13:], NOW))

    assert exact == Hit(
        Kind.CORRELATION_ID,
        Certainty.EXACT,
        "exact correlation id",
        ours,
        (key_of(attempt),),
    )
    assert (wrong.certainty, wrong.matched) == (Certainty.LIKELY, ours)
    assert wrong.reason.endswith(f"its check character fits {ours}")
    assert wrong.attempts == exact.attempts


def test_a_beginning_that_several_ids_have_offers_them_newest_first(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    rows = [row(f"import-7-{n:03d}", NOW - timedelta(hours=n)) for n in range(5)]
    write(target, [*rows, row("import-8-000")])

    several = find(connection, "import-7", NOW).hits
    one = only(find(connection, "import-7-003", NOW))
    lone = only(find(connection, "import-8-", NOW))

    assert [hit.matched for hit in several] == [each.correlation_id for each in rows]
    assert {hit.certainty for hit in several} == {Certainty.GUESS}
    assert {hit.reason for hit in several} == {"one of the ids that start so: import-7…"}
    assert one.certainty is Certainty.EXACT
    assert lone.reason == "the only id that starts so: import-8-…"


def test_an_id_that_came_with_everything_shows_its_newest_attempts(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    rows = [row("undefined", NOW - timedelta(minutes=11 * n)) for n in range(500)]
    rows = [msgspec.structs.replace(each, id=uuid7(n, b"x" * 10)) for n, each in enumerate(rows)]
    write(target, rows[::-1])

    hit = only(find(connection, "undefined", NOW))

    assert hit.attempts == tuple(key_of(each) for each in rows[: probes.ATTEMPTS_MAX])


def test_attempts_are_found_by_trace_key_and_their_own_id(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    attempt = row(
        "callers-own-1",
        traceparent=f"00-{trace}-00f067aa0ba902b7-01",
        idempotency_key="order:42/retry",
    )
    write(target, [attempt, row("callers-own-2")])

    for text, kind in (
        (trace, Kind.TRACE_ID),
        (f"00-{trace.upper()}-ffffffffffffffff-00", Kind.TRACE_ID),
        ("order:42/retry", Kind.IDEMPOTENCY_KEY),
        (str(attempt.id), Kind.ATTEMPT_ID),
        (attempt.id.hex.upper(), Kind.ATTEMPT_ID),
    ):
        hit = only(find(connection, text, NOW))
        assert (hit.kind, hit.certainty) == (kind, Certainty.EXACT)
        assert hit.attempts == (key_of(attempt),)
        assert find(connection, text, NOW, agent_id=AGENTS[2]).hits == ()


def test_attempts_with_a_code_are_found_around_a_time(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    failed = {"outcome": Outcome.FAILED.value, "error_code": 6}
    minutes = (-30, -4, 0, 4, 30)
    at = datetime(2026, 11, 25, 14, 3, tzinfo=UTC)
    rows = [row(f"failed{n:+03d}", at + timedelta(minutes=n), **failed) for n in minutes]
    other = row("failed-otherwise", at, outcome=5, error_code=7)
    write(target, [*rows, other, row("committed", at)])

    around = only(find(connection, "DATABASE_TIMEOUT around 14:03", NOW))
    any_time = only(find(connection, "database timeout", NOW))
    restricted = find(connection, "DATABASE_TIMEOUT 14:03", NOW, agent_id=AGENTS[2])

    assert around.attempts == tuple(key_of(rows[n]) for n in (3, 2, 1))
    assert (around.kind, around.certainty) == (Kind.ERROR_CODE, Certainty.LIKELY)
    assert around.reason == "attempts with this code around 2026-11-25 14:03 UTC"
    assert any_time.certainty is Certainty.GUESS
    assert len(any_time.attempts) == 5
    assert restricted.hits == ()


# Quotes, clients and agents.


def test_a_quote_is_found_by_id_and_number_with_the_attempts_that_made_it(agency: Agency) -> None:
    quote_id = agency.create()
    agency.update(quote_id, 1, taxes=3)
    agency.update(quote_id, 1, taxes=4)  # a conflict made no version
    now = agency.runtime.clock.now()
    made = [each for each in agency.attempts() if each["outcome"] == "committed"][::-1]
    keys = tuple(AttemptKey(each["agent_id"], each["started_at"], each["id"]) for each in made)

    with psycopg.connect(agency.runtime.target.app, autocommit=True) as connection:
        ((number,),) = connection.execute("SELECT quote_number FROM quote").fetchall()
        for text, kind in (
            (str(quote_id), Kind.QUOTE_ID),
            (f"/v1/quotes/{quote_id}/send", Kind.QUOTE_ID),
            (number, Kind.QUOTE_NUMBER),
        ):
            hit = only(find(connection, text, now))

            assert (hit.kind, hit.certainty) == (kind, Certainty.EXACT)
            assert (hit.quote_id, hit.agent_id) == (quote_id, agency.agent_id)
            assert hit.attempts == keys
            assert find(connection, text, now, agent_id=AGENTS[0]).hits == ()
            assert only(find(connection, text, now, agent_id=agency.agent_id)) == hit


def test_a_number_that_several_agents_gave_is_a_guess_until_an_agent_is_named(
    agency: Agency,
) -> None:
    other = new_agency(agency.runtime)
    quotes = {each.agent_id: each.create() for each in (agency, other)}
    now = agency.runtime.clock.now()

    with psycopg.connect(agency.runtime.target.app, autocommit=True) as connection:
        ((number,),) = connection.execute("SELECT DISTINCT quote_number FROM quote").fetchall()
        query = "SELECT email FROM agent WHERE id = %s"
        ((email,),) = connection.execute(query, [other.agent_id]).fetchall()

        alone = find(connection, number, now).hits
        named = find(connection, f"{number} of {email.upper()}", now).hits

    assert {hit.agent_id: hit.quote_id for hit in alone} == quotes
    assert {hit.certainty for hit in alone} == {Certainty.GUESS}
    assert all("several agents" in hit.reason for hit in alone)
    assert [(hit.kind, hit.certainty) for hit in named] == [
        (Kind.QUOTE_NUMBER, Certainty.EXACT),
        (Kind.AGENT_EMAIL, Certainty.EXACT),
    ]
    assert named[0].quote_id == quotes[other.agent_id]


def test_an_agent_and_a_client_are_found_with_their_newest_attempts(agency: Agency) -> None:
    quotes = [agency.create(clientId=str(agency.client_id)) for _ in range(3)]
    agency.create()
    now = agency.runtime.clock.now()
    keys = [
        AttemptKey(each["agent_id"], each["started_at"], each["id"])
        for each in agency.attempts()[::-1]
    ]

    with psycopg.connect(agency.runtime.target.app, autocommit=True) as connection:
        query = "SELECT email FROM agent WHERE id = %s"
        ((email,),) = connection.execute(query, [agency.agent_id]).fetchall()
        by_email = only(find(connection, f"From: Ana <{email}>", now))
        by_id = only(find(connection, str(agency.agent_id), now))
        client = only(find(connection, str(agency.client_id), now))
        restricted = [
            find(connection, text, now, agent_id=AGENTS[0]).hits
            for text in (email, str(agency.agent_id), str(agency.client_id))
        ]

    assert len(quotes) == 3
    assert (by_email.kind, by_email.attempts) == (Kind.AGENT_EMAIL, tuple(keys))
    assert (by_id.kind, by_id.attempts) == (Kind.AGENT_ID, tuple(keys))
    assert by_email.agent_id == by_id.agent_id == client.agent_id == agency.agent_id
    assert (client.kind, client.attempts) == (Kind.CLIENT_ID, tuple(keys[1:]))
    assert restricted == [(), (), ()]


# Why there is nothing.


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Nothing was given."),
        (" \n\t", "Nothing was given."),
        ("? !", "There is nothing to look for in it"),
        ("\0" * 100, "There is nothing to look for in it"),
        ("order-000017", "Nothing that it may name is in the database"),
        ("0192a3b4-c5d6-7e8f-9a0b-112233445566", "Nothing that it may name is in the database"),
    ],
)
def test_nothing_says_why(connection: psycopg.Connection[Any], text: str, why: str) -> None:
    found = find(connection, text, NOW)

    assert found.hits == ()
    assert found.ignored.startswith(why)


def test_an_id_that_is_spelled_right_and_not_there_says_when_it_was_made(
    connection: psycopg.Connection[Any],
) -> None:
    made = make_correlation_id(uuid7(int(NOW.timestamp()) * 1000, bytes(range(10))))

    right = find(connection, made.lower(), NOW).ignored
    wrong = find(connection, made[:9] + ("A" if made[9] != "A" else "C") + made[10:], NOW).ignored

    assert right.startswith(f"{made} is spelled right and was made at 2026-11-25 14:30:00 UTC, but")
    assert wrong.startswith("A correlation id in it is mistyped")


def test_what_is_named_beside_what_is_there_and_is_not_there_itself_is_said(
    agency: Agency, connection: psycopg.Connection[Any]
) -> None:
    quote_id = agency.create()
    (attempt,) = agency.attempts()
    there = f"{attempt['correlation_id']} {quote_id} {str(quote_id).replace('-', '').upper()}"
    absent = make_correlation_id(SystemClock().uuid7())
    other = SystemClock().uuid7()

    found = find(connection, f"{there} {absent} QT-1999-7 {other.hex}", SystemClock().now())
    alone = find(connection, there, SystemClock().now())

    assert sorted(found.absent) == sorted([absent, "QT-1999-000007", str(other)])
    assert alone.absent == ()
    assert find(connection, absent, SystemClock().now()).absent == ()


def test_ten_megabytes_are_answered_and_the_rest_is_said_to_be_ignored(
    connection: psycopg.Connection[Any], target: Target
) -> None:
    write(target, [row("callers-own-1")])

    found = find(connection, "callers-own-1 " + "x" * 10_000_000, NOW)
    nothing = find(connection, "x y " * 2_500_000, NOW)

    assert only(found).matched == "callers-own-1"
    assert found.unread > 9_000_000
    assert "Only the first 65,536 characters were looked at" in nothing.ignored


# Plans.


TEXTS: Final = (
    "callers-own-7",
    "REQ-01M2FE7GG5EZ69FJX3QYG8S41MJ",
    "callers-",
    "0193632c-7f00-7000-8000-000000000001",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "QT-2026-000042",
    "DATABASE_TIMEOUT around 14:03",
    "DATABASE_TIMEOUT",
)


@pytest.mark.parametrize("agent_id", [None, AGENTS[1], UNKNOWN_AGENT])
def test_no_look_into_the_ledger_reads_a_day(
    connection: psycopg.Connection[Any],
    target: Target,
    monkeypatch: pytest.MonkeyPatch,
    agent_id: UUID | None,
) -> None:
    fill(target, 60_000)
    asked = noting(monkeypatch)
    # As on every connection of the pool.
    connection.execute("SET plan_cache_mode = force_generic_plan")
    for text in TEXTS:
        find(connection, text, NOW, agent_id=agent_id)
    # What is only asked when something else was found.
    looks = probes.Probes(connection, agent_id)
    looks.of_quote(AGENTS[1], UUID(int=7))
    looks.of_client(AGENTS[1], UUID(int=7))
    looks.of_agent(AGENTS[1])
    looks._newest_of_many(probes.By.CORRELATION_ID, "callers-own-7", NOW)
    looks.existing(["callers-own-7"], NOW - timedelta(hours=3), NOW)

    about_attempts = {query: values for query, values in asked if "FROM attempt AS" in query}
    assert len(about_attempts) >= 10
    for query, values in about_attempts.items():
        lines = [
            line
            for (line,) in connection.execute(
                f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, SUMMARY OFF) {query}".encode(), values
            )
        ]
        plan = "\n".join(lines)
        assert not re.search(r"Seq Scan on attempt_202611(21|22|23|24|25) ", plan), plan
        read = re.search(r"Buffers: shared hit=(\d+)", plan)
        assert read is None or int(read[1]) < 700, plan


def fill(target: Target, each_day: int) -> None:
    """Some days of attempts, enough for a plan to matter."""
    with psycopg.connect(target.owner, autocommit=True) as owner:
        for back in range(DAYS):
            ensure_partitions(owner, NOW - timedelta(days=back), 0)
            owner.execute(
                """
                INSERT INTO attempt (
                    agent_id, started_at, id, quote_id, origin_id, duration_us, database_us,
                    operation, outcome, error_code, retries, path, source, correlation_id,
                    traceparent, idempotency_key
                )
                SELECT md5((n %% 40)::text)::uuid,
                    %(day)s - n * interval '1.4 seconds', gen_random_uuid(), gen_random_uuid(), 1,
                    9, 9, 1, CASE WHEN n %% 50 = 0 THEN 5 ELSE 1 END,
                    CASE WHEN n %% 50 = 0 THEN 6 END, 0, 1, 1, 'callers-' || md5(n::text),
                    CASE WHEN n %% 3 = 0 THEN '00-' || md5(n::text) || '-00f067aa0ba902b7-01' END,
                    CASE WHEN n %% 2 = 0 THEN gen_random_uuid()::text END
                FROM generate_series(%(rows)s, 1, -1) AS n
                """,
                {
                    "day": NOW.replace(hour=23, minute=59) - timedelta(days=back),
                    "rows": each_day,
                },
            )
        owner.execute("VACUUM ANALYZE attempt")


def noting(patch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any] | None]]:
    """The statements that probes run from now on."""
    asked: list[tuple[str, dict[str, Any] | None]] = []

    class Noting(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **more: Any) -> Any:
            asked.append((query.as_string(self), params))
            return super().execute(query, params, **more)

    def cursor(self: probes.Probes) -> psycopg.Cursor[Any]:
        return Noting(self._connection)

    patch.setattr(probes.Probes, "_cursor", cursor)
    return asked
