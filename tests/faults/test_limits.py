"""The database answers, and says no: locks, timeouts, deadlocks, serialization failures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Thread

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from tests.database.cluster_harness import eventually
from tests.faults.calls import saved
from tests.faults.proxy import Fault, saves
from tests.faults.scene import CLOCK, in_background, open_scene, refused, waiting


@contextmanager
def trigger_on_quotes(target: Target, name: str, body: str) -> Iterator[None]:
    """While every write of a quote runs some PL/pgSQL first."""
    with psycopg.connect(target.owner, autocommit=True) as connection:
        connection.execute(
            f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {body}; RETURN NEW; END $$".encode()
        )
        connection.execute(
            f"CREATE TRIGGER {name} BEFORE UPDATE ON quote FOR EACH ROW"
            f" EXECUTE FUNCTION {name}()".encode()
        )
        yield
        connection.execute(f"DROP TRIGGER {name} ON quote".encode())
        connection.execute(f"DROP FUNCTION {name}".encode())


@pytest.mark.parametrize("operation", [Operation.UPDATE, Operation.SEND, Operation.DELETE])
def test_a_row_that_somebody_locks_is_waited_for_as_long_as_the_lock_timeout(
    tmp_path: Path, target: Target, write_form: str, operation: Operation
) -> None:
    limits = {"lock_timeout": timedelta(seconds=0.2)}
    with (
        open_scene(tmp_path, target, write_form=write_form, **limits) as scene,
        psycopg.connect(target.owner) as other,
    ):
        quote_id = scene.create()
        other.execute("SELECT FROM quote WHERE id = %s FOR UPDATE", [quote_id])

        result = scene.save(operation, quote_id, {"version": 1})

        assert refused(result) == ("DATABASE_TIMEOUT", False)
        assert scene.stored(quote_id).version == 1
        other.rollback()
        assert saved(scene.save(operation, quote_id, {"version": 1})).version == 2


def test_a_statement_that_runs_too_long_is_ended_and_changes_nothing(
    tmp_path: Path, own_target: Target, write_form: str
) -> None:
    limits = {"statement_timeout": timedelta(seconds=0.2)}
    with (
        open_scene(tmp_path, own_target, write_form=write_form, **limits) as scene,
        trigger_on_quotes(own_target, "dawdle", "PERFORM pg_sleep(30)"),
    ):
        quote_id = scene.create()

        result = scene.update(quote_id, 1)

        assert refused(result) == ("DATABASE_TIMEOUT", False)
        assert scene.stored(quote_id).version == 1


def test_the_victim_of_a_deadlock_tries_again_and_the_ledger_counts_it(
    tmp_path: Path, server: str, own_target: Target, write_form: str
) -> None:
    # The save holds the quote and comes to want its client; the other holds the client and wants
    # the quote. Who first has waited for `deadlock_timeout` since the circle closed dies of it.
    database = conninfo_to_dict(own_target.owner)["dbname"]
    superuser = make_conninfo(server, dbname=database, options="-c deadlock_timeout=60s")
    all_seen = replace(own_target, owner=superuser)
    with (
        open_scene(
            tmp_path, own_target, write_form=write_form, lock_timeout=timedelta(seconds=8)
        ) as scene,
        psycopg.connect(superuser) as other,
        psycopg.connect(own_target.owner, autocommit=True) as signal,
        trigger_on_quotes(own_target, "halt", "PERFORM pg_advisory_xact_lock(1)"),
    ):
        client_id, quote_id = scene.agency.client_id, scene.create()
        other.execute("SELECT FROM client WHERE id = %s FOR UPDATE", [client_id])
        signal.execute("SELECT pg_advisory_lock(1)")
        body = {"version": 1, "clientId": str(client_id)}
        caller, results = in_background(lambda: scene.save(Operation.UPDATE, quote_id, body))
        assert eventually(lambda: waiting(own_target, ""))
        locker = Thread(
            target=other.execute, args=("SELECT FROM quote WHERE id = %s FOR UPDATE", [quote_id])
        )
        locker.start()
        assert eventually(lambda: waiting(all_seen, "SELECT FROM quote"))

        signal.execute("SELECT pg_advisory_unlock(1)")
        locker.join(30)
        other.commit()
        caller.join(30)

        assert saved(results[0]).version == 2
        assert scene.row_of(results[0])["retries"] == 1


@pytest.mark.parametrize(("state", "times"), [("40001", 2), ("40P01", 2), ("40001", 3)])
def test_an_aborted_transaction_is_tried_again_twice(
    tmp_path: Path, own_target: Target, write_form: str, state: str, times: int
) -> None:
    failing = f"""
        IF nextval('failures') <= {times} THEN
            RAISE EXCEPTION 'made for the test' USING ERRCODE = '{state}';
        END IF
    """
    with (
        open_scene(tmp_path, own_target, write_form=write_form) as scene,
        psycopg.connect(own_target.owner, autocommit=True) as owner,
    ):
        quote_id = scene.create()
        owner.execute("CREATE SEQUENCE failures")
        owner.execute("GRANT USAGE ON SEQUENCE failures TO PUBLIC")
        with trigger_on_quotes(own_target, "fail", failing):
            result = scene.update(quote_id, 1)

        row = scene.row_of(result)
        assert row["retries"] == 2
        if times == 2:
            assert saved(result).version == 2
            assert row["outcome"] == "committed"
        else:
            assert refused(result) == ("DATABASE_TRANSACTION_ABORTED", False)
            assert scene.stored(quote_id).version == 1
            assert row["error_code"] == "DATABASE_TRANSACTION_ABORTED"


def test_a_retry_decides_anew_on_what_stands_then(
    tmp_path: Path, own_target: Target, write_form: str
) -> None:
    once = """
        IF nextval('failures') = 1 THEN
            RAISE EXCEPTION 'made for the test' USING ERRCODE = '40001';
        END IF
    """
    with (
        open_scene(tmp_path, own_target, write_form=write_form) as scene,
        psycopg.connect(own_target.owner, autocommit=True) as owner,
    ):
        quote_id = scene.create()
        owner.execute("CREATE SEQUENCE failures")
        owner.execute("GRANT USAGE ON SEQUENCE failures TO PUBLIC")
        # While the first try fails, somebody else saves.
        first = scene.proxy.on(
            lambda request: request.saves or request.sql == "ROLLBACK", Fault.HOLD_REPLY
        )
        with trigger_on_quotes(own_target, "fail", once):
            caller, results = in_background(lambda: scene.update(quote_id, 1))
            assert first.met.wait(10)
            assert saved(scene.update(quote_id, 1)).version == 2
            first.gate.set()
            caller.join(30)

        assert refused(results[0]) == ("QUOTE_CONFLICT_VERSION", False)
        assert scene.row_of(results[0])["retries"] == 1


def test_a_busy_pool_is_waited_for_as_long_as_the_pool_wait(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    limits = {"pool_size": 1, "pool_wait": timedelta(seconds=0.3)}
    with open_scene(tmp_path, target, write_form=write_form, **limits) as scene:
        quote_id = scene.create()
        held = scene.proxy.on(saves, Fault.HOLD_REPLY)
        caller, results = in_background(lambda: scene.update(quote_id, 1))
        assert held.met.wait(10)

        result = scene.save(Operation.CREATE)

        assert refused(result) == ("DATABASE_TIMEOUT", False)
        held.gate.set()
        caller.join(30)
        assert saved(results[0]).version == 2


def test_what_a_save_waited_for_stands_in_the_ledger(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    with (
        open_scene(tmp_path, target, write_form=write_form) as scene,
        psycopg.connect(target.owner) as other,
    ):
        quote_id = scene.create()
        other.execute("SELECT FROM quote WHERE id = %s FOR UPDATE", [quote_id])
        asked = CLOCK.monotonic()
        thread, results = in_background(lambda: scene.update(quote_id, 1))
        assert eventually(lambda: waiting(target, ""))
        began_waiting = CLOCK.monotonic()
        CLOCK.sleep(0.3)
        other.rollback()
        least_us = (CLOCK.monotonic() - began_waiting) * 1e6
        thread.join(30)
        most_us = (CLOCK.monotonic() - asked) * 1e6

        row = scene.row_of(saved(results[0]))
        assert least_us < row["duration_us"] < most_us
        assert least_us < row["database_us"] <= row["duration_us"]


def test_what_a_save_waited_for_in_vain_stands_in_the_ledger(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    limits = {"lock_timeout": timedelta(seconds=0.2)}
    with (
        open_scene(tmp_path, target, write_form=write_form, **limits) as scene,
        psycopg.connect(target.owner) as other,
    ):
        quote_id = scene.create()
        other.execute("SELECT FROM quote WHERE id = %s FOR UPDATE", [quote_id])

        result = scene.update(quote_id, 1)

        assert refused(result) == ("DATABASE_TIMEOUT", False)
        row = scene.row_of(result)
        assert 200_000 <= row["database_us"] <= row["duration_us"]
        other.rollback()


def test_a_slow_save_leaves_nothing_of_what_it_saves_in_the_servers_log(
    tmp_path: Path, server: str, reachable_dir: Path, own_target: Target
) -> None:
    log = reachable_dir / "postgresql" / "postgres.log"
    if not log.exists():
        pytest.skip("the log of a server that is not ours")
    with psycopg.connect(server, autocommit=True) as superuser:
        database = conninfo_to_dict(own_target.owner)["dbname"]
        superuser.execute(f'ALTER DATABASE "{database}" SET log_min_duration_statement = 0')
    with open_scene(tmp_path, own_target) as scene:
        quote_id = scene.create()
        secret = {"version": 1, "agentNotes": "CANARY-passport", "customNotes": "CANARY-allergy"}

        saved(scene.save(Operation.UPDATE, quote_id, secret, idempotency_key="CANARY-key"))

    written = log.read_text(errors="replace")
    assert "UPDATE quote" in written
    assert "CANARY" not in written
