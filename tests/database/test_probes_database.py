"""The probes of the database itself: green on ours, red once something is done to it."""

from __future__ import annotations

import importlib
import json
import pkgutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

import engine
from engine.clock import SystemClock
from engine.database.target import APP_ROLE, Target
from engine.readiness.assessment import Verdict
from engine.readiness.probes import database, health, indexes, limits, models, plans
from engine.readiness.probes.limits import fault_of
from engine.readiness.probes.spans import Span
from engine.runtime import Runtime
from engine.settings import Settings
from tests.database.databases import run
from tests.database.releases import NOON, Lookout, superuser
from tests.sabotage import sabotage
from tests.support import Agency


class Skewed(SystemClock):
    """A clock that is off."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return super().now() + self._by


@pytest.fixture
def look(agency: Agency) -> Lookout:
    """An hour and a half after the deployment, with a few saves."""
    quote_id = agency.create()
    agency.update(quote_id, 1, fees=36)
    runtime = agency.runtime
    return Lookout(runtime).deployed(runtime.clock.now() - timedelta(minutes=90))


def test_a_healthy_database_is_green(look: Lookout, monkeypatch: pytest.MonkeyPatch) -> None:
    # However slow the machine is.
    monkeypatch.setattr(limits, "_WAIT_MAX", timedelta.max)
    monkeypatch.setattr(health, "_MEAN_US", 10**9)
    minute = timedelta(minutes=1)
    patient = look.runtime.settings.model_copy(update={"pool_wait": minute})

    found = [look(probe) for probe in ("db.probe", "model.drift", "db.timeouts", "db.health")]
    found.append(look("db.pool", settings=patient))

    assert [each for each in found if each.verdict is not Verdict.PASSING] == []
    assert all(each.witness for each in found)
    json.dumps([each.numbers for each in found])


# --- the connection -------------------------------------------------------------------------------


_GRANTS = (
    "UPDATE ON attempt",
    "UPDATE (outcome) ON attempt",
    "DELETE ON attempt_default",
    "DELETE ON audit_event",
    "TRUNCATE ON quote_revision",
    "UPDATE ON readiness_record",
)


@sabotage("db.probe", "PRE-5.2")
def test_a_privilege_too_many_is_red(look: Lookout, target: Target) -> None:
    for grant in _GRANTS:
        run(target.owner, f"GRANT {grant} TO {APP_ROLE}")

        found = look("db.probe")

        assert found.verdict is Verdict.FAILING, grant
        action, *_, table = grant.split()
        assert f"may {action} {table}" in found.reason
        run(target.owner, f"REVOKE {grant} FROM {APP_ROLE}")


@sabotage("db.probe", "PRE-5.2")
def test_evidence_that_nothing_can_be_added_to_is_red(look: Lookout, target: Target) -> None:
    run(target.owner, f"REVOKE INSERT ON audit_event FROM {APP_ROLE}")

    found = look("db.probe")

    assert found.verdict is Verdict.FAILING
    assert "may not INSERT into audit_event" in found.reason


@sabotage("db.probe", "PRE-5.2")
def test_a_clock_that_is_off_is_red(look: Lookout) -> None:
    found = [look("db.probe", clock=Skewed(timedelta(hours=hours))) for hours in (-2, 2)]

    assert {each.verdict for each in found} == {Verdict.FAILING}
    assert all("s apart" in each.reason for each in found)


MET = database.Meeting(
    role=APP_ROLE,
    version=180_000,
    is_private=True,
    round_trip=timedelta(0),
    skew=timedelta(0),
    may=(),
    tables=6,
)


def test_a_line_that_others_can_listen_to_is_red() -> None:
    assert database.judged(MET).verdict is Verdict.PASSING
    assert database.judged(MET._replace(is_private=False)).verdict is Verdict.FAILING
    assert database.judged(MET._replace(version=140_000)).verdict is Verdict.FAILING


def test_a_slow_answer_does_not_pass_for_a_clock_that_is_off() -> None:
    slow = MET._replace(round_trip=timedelta(seconds=4), skew=timedelta(seconds=2))

    assert database.judged(slow).verdict is Verdict.PASSING


SPAN = Span(NOON, NOON + timedelta(minutes=15), NOON + timedelta(minutes=15))


@pytest.mark.parametrize(
    ("looks", "end", "verdict"),
    [
        ({"passing": 15}, 15, Verdict.PASSING),
        ({"passing": 14}, 15, Verdict.INSUFFICIENT),
        ({"passing": 3}, 4, Verdict.PASSING),
        ({"passing": 14, "failing": 1}, 15, Verdict.FAILING),
    ],
    ids=str,
)
def test_each_minute_of_the_first_fifteen_needs_a_good_look(
    looks: dict[str, int], end: int, verdict: Verdict
) -> None:
    span = replace(SPAN, end=NOON + timedelta(minutes=end))

    assert database.kept(database.judged(MET), looks, span).verdict is verdict


@sabotage("db.probe", "POST-1.4")
def test_a_bad_look_in_a_minute_outweighs_a_good_one(look: Lookout, target: Target) -> None:
    look.deployed(look.clock.now() - timedelta(minutes=5))
    release_id = look.readiness.release.id
    run(
        target.owner,
        f"""
        INSERT INTO readiness_record
        SELECT gen_random_uuid(), '{release_id}', 'evidence', 'POST-1.4', NULL,
            now() - at * interval '1 minute', 'ops', NULL,
            '{{"verdict": "' || verdict || '"}}', sha256('')
        FROM (VALUES (1, 'passing'), (2, 'failing'), (2, 'passing')) AS given (at, verdict)
        """,  # noqa: S608  # an id of ours
    )

    found = look("db.probe", "POST-1.4")

    assert found.verdict is Verdict.FAILING, found
    assert found.reason == "1 of 2 looks in its time were not good"


# --- models ---------------------------------------------------------------------------------------


@sabotage("model.drift", "PRE-5.3")
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("ALTER TABLE quote ADD COLUMN more text", "remove_column"),
        ("DROP INDEX quote_client_idx", "add_index"),
        ("CREATE TABLE more (id integer)", "remove_table"),
        ("ALTER TABLE client ALTER first_name DROP NOT NULL", "modify_nullable"),
    ],
)
def test_a_database_that_is_not_as_declared_is_red(
    look: Lookout, target: Target, change: str, words: str
) -> None:
    run(target.owner, change)

    found = look("model.drift")

    assert found.verdict is Verdict.FAILING, found
    assert words in found.reason


def test_every_module_of_tables_is_looked_at() -> None:
    names = {
        module.name
        for module in pkgutil.walk_packages(engine.__path__, "engine.")
        if module.name.rpartition(".")[2] == "tables"
    }

    assert {importlib.import_module(name) for name in names} == set(models.DECLARING)


# --- limits ---------------------------------------------------------------------------------------


@sabotage("db.pool", "PRE-9.3", "POST-4.5")
def test_more_processes_than_there_are_connections_is_red(look: Lookout, target: Target) -> None:
    run(
        target.owner,
        """
        INSERT INTO line_count
        SELECT date_trunc('minute', now()), gen_random_uuid(), 1, 0, 0
        FROM generate_series(1, 40)
        """,
    )

    found = [look("db.pool", box) for box in ("PRE-9.3", "POST-4.5")]

    assert {each.verdict for each in found} == {Verdict.FAILING}
    assert f"16 x 40 + {limits.RESERVE} = 660 connections" in found[0].reason


ROOM = limits.Room(12, 1, 97, 9, 0, 0, timedelta(0), 0, 0)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, Verdict.PASSING),
        ({"available": 33}, Verdict.PASSING),
        ({"available": 32}, Verdict.FAILING),
        ({"timeouts": 1}, Verdict.FAILING),
        ({"mean_wait": timedelta(seconds=1)}, Verdict.FAILING),
        ({"idle_in_transaction": 1}, Verdict.FAILING),
        ({"crowd_errors": 1}, Verdict.FAILING),
        ({"left_waiting": 1}, Verdict.FAILING),
    ],
    ids=str,
)
def test_connections_have_to_suffice(change: dict[str, Any], verdict: Verdict) -> None:
    assert limits.judged(ROOM._replace(**change)).verdict is verdict


@sabotage("db.timeouts", "PRE-9.4")
def test_a_limit_set_otherwise_for_the_role_is_red(
    look: Lookout, server: str, target: Target
) -> None:
    name = conninfo_to_dict(target.owner)["dbname"]
    run(server, f"ALTER ROLE {APP_ROLE} IN DATABASE {name} SET lock_timeout = '1h'")

    found = look("db.timeouts")

    assert found.verdict is Verdict.FAILING
    assert found.reason == "lock_timeout is 1h for the role or the database, and set to 2000 ms"


@sabotage("db.timeouts", "PRE-9.4")
def test_a_session_with_other_limits_than_are_set_is_red(look: Lookout, runtime: Runtime) -> None:
    settings = runtime.settings.model_copy(update={"lock_timeout": timedelta(seconds=1)})

    found = look("db.timeouts", settings=settings)

    assert found.verdict is Verdict.FAILING
    assert found.reason == "lock_timeout is 2000 ms in a session, and set to 1000 ms"


@sabotage("db.timeouts", "PRE-9.4")
def test_a_statement_that_nobody_ends_is_red(
    look: Lookout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_ASLEEP", "SELECT 'awake'")

    found = look("db.timeouts")

    assert found.verdict is Verdict.FAILING
    assert (
        found.reason == "A statement that slept past its limit ended as done, its connection usable"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"lock_timeout": timedelta(seconds=8)},
        {"statement_timeout": timedelta(seconds=10)},
    ],
    ids=["lock and statement", "statement and budget"],
)
def test_limits_have_to_be_within_each_other(change: dict[str, Any]) -> None:
    settings = Settings().model_copy(update=change)

    fault = fault_of(settings, limits.wanted_ms(settings), {})

    assert fault is not None
    assert "within the next" in fault


@pytest.mark.parametrize("written", ["2000", "2000ms", "2s"])
def test_a_limit_of_the_role_that_says_the_same_is_fine(written: str) -> None:
    settings = Settings()

    assert fault_of(settings, limits.wanted_ms(settings), {"lock_timeout": written}) is None


# --- plans ----------------------------------------------------------------------------------------

_COPIES = """
    INSERT INTO quote
    SELECT copy.*
    FROM quote AS q
    CROSS JOIN generate_series(1, 3000) AS n
    CROSS JOIN LATERAL jsonb_populate_record(q, jsonb_build_object(
        'id', gen_random_uuid(), 'quote_number', 'QT-2020-' || lpad(n::text, 6, '0')
    )) AS copy
"""
_HISTORIES = """
    INSERT INTO quote_revision
    SELECT copy.*
    FROM quote AS q
    CROSS JOIN (SELECT ctid AS place FROM quote_revision LIMIT 1) AS one
    JOIN quote_revision AS r ON r.ctid = one.place
    CROSS JOIN LATERAL jsonb_populate_record(r, jsonb_build_object(
        'quote_id', q.id, 'version', 9, 'attempt_id', gen_random_uuid()
    )) AS copy
"""


@sabotage("db.plans", "PRE-9.1")
def test_plans_over_large_tables_are_green_and_without_the_key_red(
    look: Lookout, server: str, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "LARGE", 2_000)
    small = look("db.plans")
    anybody = superuser(server, target)
    run(anybody, _COPIES, _HISTORIES, "ANALYZE quote, quote_revision")
    large = look("db.plans")
    run(anybody, "ALTER TABLE quote_revision DROP CONSTRAINT quote_revision_pkey")

    found = look("db.plans")

    assert small.verdict is Verdict.INSUFFICIENT, small
    assert large.verdict is Verdict.PASSING, large
    assert found.verdict is Verdict.FAILING
    assert found.reason.startswith("No index serves 1 of the statements' reads")
    assert found.reason.endswith("newer revisions: quote_revision")


def test_a_large_table_that_is_read_from_end_to_end_is_red() -> None:
    scan = {"Node Type": "Limit", "Plans": [{"Node Type": "Seq Scan", "Relation Name": "quote"}]}
    by_index = {"Node Type": "Index Scan", "Relation Name": "quote", "Index Name": "quote_pkey"}
    large = {"quote": plans.LARGE, "quote_revision": plans.LARGE}

    red = plans.judged({"read": scan}, {"read": by_index}, large)
    green = plans.judged({"read": by_index}, {"read": by_index}, large)
    small = plans.judged({"read": scan}, {"read": by_index}, large | {"quote": 9})
    unserved = plans.judged({"read": by_index}, {"read": scan}, large | {"quote": 9})

    verdicts = [each.verdict for each in (red, green, small, unserved)]
    wanted = [Verdict.FAILING, Verdict.PASSING, Verdict.INSUFFICIENT, Verdict.FAILING]
    assert verdicts == wanted
    assert plans.digest_of(scan) != plans.digest_of(by_index)


# --- indexes --------------------------------------------------------------------------------------


def test_indexes_that_are_whole_wait_for_attempts_to_show_their_use(look: Lookout) -> None:
    found = look("db.indexes")

    assert found.verdict is Verdict.INSUFFICIENT, found
    assert not any(found.numbers[each] for each in ("invalid", "doubles", "foreignKeys"))


@sabotage("db.indexes", "PRE-9.2")
@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE INDEX more ON quote (agent_id, status, id)", "1 are twice there"),
        ("DROP INDEX sign_in_account_idx", "1 are missing for a foreign key"),
        (
            """
            UPDATE pg_index SET indisvalid = false
            WHERE indexrelid = 'quote_client_idx'::regclass
            """,
            "1 are invalid: quote_client_idx",
        ),
    ],
    ids=["double", "foreign key", "invalid"],
)
def test_an_index_too_many_or_too_few_is_red(
    look: Lookout, server: str, target: Target, statement: str, words: str
) -> None:
    run(superuser(server, target), statement)

    found = look("db.indexes")

    assert found.verdict is Verdict.FAILING, found
    assert words in found.reason


def test_an_index_of_no_use_is_red_after_many_attempts() -> None:
    used = indexes.Indexes(30, (), (), (), (), indexes.ENOUGH, 100, 90)

    assert indexes.judged(used).verdict is Verdict.PASSING
    assert indexes.judged(used._replace(unused=["quote_due_idx"])).verdict is Verdict.FAILING


# --- health ---------------------------------------------------------------------------------------


@contextmanager
def waiting(target: Target) -> Iterator[None]:
    """A session that has waited for a lock for a while, until the block ends."""

    def wait() -> None:
        with psycopg.connect(target.app) as connection:
            connection.execute("LOCK TABLE client IN ACCESS SHARE MODE")

    with (
        psycopg.connect(target.owner) as holder,
        psycopg.connect(target.owner, autocommit=True) as watcher,
    ):
        holder.execute("LOCK TABLE client IN ACCESS EXCLUSIVE MODE")
        waiter = threading.Thread(target=wait)
        waiter.start()
        is_waiting = False
        while not is_waiting:
            [(is_waiting,)] = watcher.execute(
                """
                SELECT count(*) > 0 FROM pg_stat_activity
                WHERE wait_event_type = 'Lock' AND datname = current_database()
                    AND clock_timestamp() - query_start > interval '200 ms'
                """
            ).fetchall()
        yield
        holder.rollback()
        waiter.join()


@sabotage("db.health", "POST-4.3")
def test_a_session_that_waits_for_a_lock_is_red(look: Lookout, target: Target) -> None:
    with waiting(target):
        found = look("db.health")

    assert found.verdict is Verdict.FAILING
    assert found.reason == "1 sessions wait for a lock"


WELL = health.Health(0, 0, 99_000, 1_000, "quote", 0.1, 100, 2_000)


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, Verdict.PASSING),
        ({"dead_share": 0.5}, Verdict.FAILING),
        ({"pages_read": 20_000}, Verdict.FAILING),
        ({"pages_hit": 10, "pages_read": 1_000}, Verdict.PASSING),
        ({"mean_us": 300_000}, Verdict.FAILING),
        ({"attempts": 0}, Verdict.INSUFFICIENT),
    ],
    ids=str,
)
def test_what_the_server_says_of_itself_is_judged(change: dict[str, Any], verdict: Verdict) -> None:
    assert health.judged(WELL._replace(**change)).verdict is verdict


def test_health_needs_attempts_of_its_time(runtime: Runtime) -> None:
    look = Lookout(runtime).deployed(runtime.clock.now() - timedelta(minutes=90))

    assert look("db.health").verdict is Verdict.INSUFFICIENT


@pytest.mark.parametrize(
    ("probe", "box"), [("db.health", ""), ("db.probe", "POST-1.4"), ("db.pool", "POST-4.5")]
)
def test_nothing_is_healthy_before_a_deployment(runtime: Runtime, probe: str, box: str) -> None:
    found = Lookout(runtime)(probe, box)

    assert (found.verdict, found.reason) == (Verdict.UNKNOWN, "Not deployed yet")
