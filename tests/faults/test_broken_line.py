"""The line to the database breaks in the middle of a save: nothing is lost, doubled or silent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.saving import course, write
from tests.database.cluster_harness import eventually
from tests.faults.calls import saved
from tests.faults.proxy import CUTS, UNSEEN, Fault, Request, records, saves
from tests.faults.scene import (
    CLOCK,
    Scene,
    idle_in_transaction,
    in_background,
    open_scene,
    refused,
    rows_of,
    terminate,
    waiting,
)

OPERATIONS = (Operation.CREATE, Operation.UPDATE, Operation.SEND, Operation.DELETE)
# Long enough for a save, short enough to wait for its end: a second of it is the resolution's.
SHORT = {"save_budget": timedelta(seconds=2), "pool_wait": timedelta(seconds=0.5)}


def start_of(scene: Scene, operation: Operation) -> tuple[UUID | None, dict[str, Any]]:
    """A draft for a change to work on, and the body that names its version."""
    return (None, {}) if operation is Operation.CREATE else (scene.create(), {"version": 1})


@pytest.mark.parametrize("fault", CUTS)
def test_a_line_cut_around_the_commit_is_answered_as_the_database_says(
    tmp_path: Path, target: Target, write_form: str, fault: Fault
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        for operation in OPERATIONS:
            quote_id, body = start_of(scene, operation)
            rule = scene.proxy.on(saves, fault)

            result = scene.save(operation, quote_id, body)

            assert rule.met.is_set()
            if fault in UNSEEN:
                assert refused(result) == ("QUOTE_PERSISTENCE_FAILED", False)
                assert scene.row_of(result)["outcome"] == "failed"
            else:
                assert saved(result).version == (1 if quote_id is None else 2)
                assert scene.row_of(result)["outcome"] == "committed"


def test_the_last_word_of_a_dying_server_is_not_believed(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        quote_id = scene.create()
        scene.proxy.on(saves, Fault.PANIC)

        result = scene.update(quote_id, 1)

        assert saved(result).version == 2


def test_a_conflict_whose_answer_is_lost_is_told_as_a_conflict(
    tmp_path: Path, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_scene(tmp_path, target, write_form="one-statement") as scene:
        quote_id, real = scene.create(), write.write_save

        def overtaken(*args: Any) -> Any:
            """Somebody else saves between the loser's read and its write."""
            monkeypatch.setattr(course, "write_save", real)
            scene.update(quote_id, 1)
            scene.proxy.on(saves, Fault.LOSE_REPLY)
            return real(*args)

        monkeypatch.setattr(course, "write_save", overtaken)

        result = scene.update(quote_id, 1)

        assert refused(result) == ("QUOTE_CONFLICT_VERSION", False)
        assert scene.row_of(result)["outcome"] == "conflict"


def is_at(steps: Iterator[int], step: int, _request: Request) -> bool:
    """Counts requests, and is true of one of them."""
    return next(steps) == step


@pytest.mark.parametrize("fault", CUTS)
def test_a_line_may_be_cut_at_every_step_of_a_save(
    tmp_path: Path, target: Target, write_form: str, fault: Fault
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        for operation in (Operation.CREATE, Operation.UPDATE):
            step, rule = 0, None
            while rule is None or rule.met.is_set():
                scene.create()  # so that a connection is there, with its statements prepared
                quote_id, body = start_of(scene, operation)
                steps = count()
                rule = scene.proxy.on(partial(is_at, steps, step), fault)

                scene.save(operation, quote_id, body, idempotency_key=f"{operation.name}-{step}")

                scene.proxy.forget_rules()
                step += 1
            assert step >= (3 if write_form == "one-statement" else 10)


@pytest.mark.parametrize("fault", CUTS)
def test_a_line_cut_while_the_outcome_is_asked_is_asked_again(
    tmp_path: Path, target: Target, write_form: str, fault: Fault
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        quote_id = scene.create()
        for lost, version in ((Fault.LOSE_REPLY, 2), (Fault.LOSE_REQUEST, None)):
            scene.proxy.on(saves, lost)
            again = scene.proxy.on(records, fault, times=2)

            result = scene.update(quote_id, scene.stored(quote_id).version)

            assert again.times == 0
            if version is None:
                assert refused(result) == ("QUOTE_PERSISTENCE_FAILED", False)
            else:
                assert saved(result).version == version


@pytest.mark.parametrize("fault", CUTS)
def test_a_refusal_whose_row_is_cut_off_leaves_its_row_all_the_same(
    tmp_path: Path, target: Target, write_form: str, fault: Fault
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        scene.proxy.on(records, fault)

        result = scene.save(Operation.CREATE, body={"adults": 0})

        assert refused(result) == ("QUOTE_VALIDATION_FAILED", False)
        assert scene.runtime.journal.is_spooling
        scene.sweep()
        assert scene.row_of(result)["outcome"] == "rejected"


def test_a_late_reply_is_not_waited_for_but_its_save_is_found(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    with open_scene(tmp_path, target, write_form=write_form, **SHORT) as scene:
        quote_id = scene.create()
        held = scene.proxy.on(saves, Fault.HOLD_REPLY)

        result = scene.update(quote_id, 1)

        assert saved(result).version == 2
        assert not held.gate.is_set()


def test_a_request_that_arrives_after_its_caller_was_refused_changes_nothing(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    with open_scene(tmp_path, target, write_form=write_form, **SHORT) as scene:
        quote_id = scene.create()
        late = scene.proxy.on(saves, Fault.HOLD_REQUEST)

        result = scene.update(quote_id, 1)
        if write_form == "several-statements":
            # The server ends a transaction that its client has left alone for a save's budget.
            assert eventually(lambda: not idle_in_transaction(target))
        late.gate.set()

        assert late.over.wait(10)
        assert late.said == (["23505"] if write_form == "one-statement" else [])
        # Of several statements the row is there, not committed: the tombstone cannot tell.
        in_doubt = write_form == "several-statements"
        code = "QUOTE_PERSISTENCE_FAILED" if in_doubt else "DATABASE_TIMEOUT"
        assert refused(result) == (code, in_doubt)
        assert scene.stored(quote_id).version == 1


@pytest.mark.parametrize("ending", ["commits", "aborts"])
def test_a_tombstone_waits_for_a_save_that_is_still_running(
    tmp_path: Path, target: Target, write_form: str, ending: str
) -> None:
    with (
        open_scene(tmp_path, target, write_form=write_form) as scene,
        psycopg.connect(target.owner) as blocker,
    ):
        client_id, quote_id = scene.agency.client_id, scene.create()
        is_one = write_form == "one-statement"
        running = scene.proxy.on(saves, Fault.SEVER if is_one else Fault.STRAND)
        if is_one:
            # The quote's foreign key is checked last, when the attempt's row is written already.
            blocker.execute("SELECT FROM client WHERE id = %s FOR UPDATE", [client_id])
        body = {"version": 1, "clientId": str(client_id)}
        caller, results = in_background(lambda: scene.save(Operation.UPDATE, quote_id, body))
        assert running.met.wait(10)
        assert eventually(lambda: waiting(target, "INSERT INTO attempt"))

        if ending == "aborts":
            terminate(target, *waiting(target, "WITH"), *idle_in_transaction(target))
        blocker.rollback()
        running.gate.set()
        caller.join(30)

        (result,) = results
        if ending == "commits":
            assert saved(result).version == 2
        else:
            assert refused(result) == ("QUOTE_PERSISTENCE_FAILED", False)


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
def test_the_outcome_is_asked_until_the_database_is_back(
    tmp_path: Path, target: Target, write_form: str, fault: Fault
) -> None:
    with open_scene(tmp_path, target, write_form=write_form, pool_wait=SHORT["pool_wait"]) as scene:
        quote_id = scene.create()
        scene.proxy.on(saves, fault, then=scene.proxy.stop_listening)
        caller, results = in_background(lambda: scene.update(quote_id, 1))
        assert eventually(lambda: scene.runtime.save_pool.stats().get("connections_errors", 0) > 1)
        assert not results

        scene.proxy.accept()
        caller.join(30)

        if fault is Fault.LOSE_REPLY:
            assert saved(results[0]).version == 2
        else:
            assert refused(results[0]) == ("QUOTE_PERSISTENCE_FAILED", False)


@pytest.mark.parametrize("fault", [Fault.LOSE_REQUEST, Fault.LOSE_REPLY])
@pytest.mark.parametrize("absence", ["refuses", pytest.param("is silent", marks=pytest.mark.slow)])
def test_an_outcome_that_cannot_be_asked_in_time_is_called_indeterminate_and_found_out_later(
    tmp_path: Path, target: Target, write_form: str, fault: Fault, absence: str
) -> None:
    with open_scene(tmp_path, target, write_form=write_form, **SHORT) as scene:
        quote_id, proxy = scene.create(), scene.proxy
        leave = proxy.stop_listening if absence == "refuses" else proxy.silence
        proxy.on(saves, fault, then=leave)
        asked = CLOCK.monotonic()

        result = scene.update(quote_id, 1)

        assert CLOCK.monotonic() - asked < 5
        assert refused(result) == ("QUOTE_PERSISTENCE_FAILED", True)
        assert rows_of(target, result.correlation_id) == [] or fault is Fault.LOSE_REPLY
        proxy.accept()
        proxy.speak()
        scene.sweep()
        is_there = fault is Fault.LOSE_REPLY
        assert scene.row_of(result)["outcome"] == ("committed" if is_there else "failed")
        assert scene.stored(quote_id).version == (2 if is_there else 1)
