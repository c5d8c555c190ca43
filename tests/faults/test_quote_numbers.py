"""Quote numbers and the quota, under callers who all want them at once."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier, Thread
from typing import Any
from uuid import UUID

import psycopg
import pytest

from engine.database.target import Target
from engine.errors import ErrorCode
from engine.quotes import numbers as numbers_module
from engine.quotes.lifecycle import Operation
from engine.quotes.numbers import BLOCK_MIN
from engine.readiness.probes.history import REFUSED, SAVED
from engine.saving.answer import Refused, Saved, SaveResult
from tests.faults.calls import saved
from tests.faults.load import THREADS, new_seed
from tests.faults.programs import SavingProcess
from tests.faults.scene import Scene, ask, open_scene


def create_at_once(scene: Scene, threads: int, each: int, **more: Any) -> list[SaveResult]:
    """Creates from several threads that start together."""
    barrier = Barrier(threads, timeout=30)
    results: list[SaveResult] = []

    def create() -> None:
        barrier.wait()
        results.extend(scene.save(Operation.CREATE, **more) for _ in range(each))

    callers = [Thread(target=create) for _ in range(threads)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    return results


@pytest.mark.parametrize("quota", [1, 10, 20])
def test_a_process_overshoots_the_quota_by_no_more_than_it_has_under_way(
    tmp_path: Path, target: Target, quota: int
) -> None:
    with open_scene(tmp_path, target) as scene:
        results = create_at_once(scene, THREADS, 10, max_active_quotes=quota)

        made = sum(isinstance(result, Saved) for result in results)
        assert quota <= made <= quota + THREADS
        assert {result.refusal.code for result in results if isinstance(result, Refused)} == {
            ErrorCode.QUOTA_EXCEEDED
        }


@pytest.mark.parametrize("tampering", ["set back", "deleted"])
def test_a_block_row_that_was_tampered_with_costs_no_caller_an_error(
    tmp_path: Path,
    target: Target,
    write_form: str,
    tampering: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # With blocks this small, the numbers that are taken cannot be skipped by luck.
    monkeypatch.setattr(numbers_module, "BLOCK_MAX", BLOCK_MIN)
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        for _ in range(60):
            scene.create()
        numbers = scene.runtime.saver._tools.numbers
        numbers._free.clear()  # as in a process that has just started
        numbers._last_size.clear()
        with psycopg.connect(target.owner) as connection:
            connection.execute(
                "UPDATE quote_number_block SET given = 2 WHERE agent_id = %s"
                if tampering == "set back"
                else "DELETE FROM quote_number_block WHERE agent_id = %s",
                [scene.agency.agent_id],
            )

        for _ in range(20):
            scene.create()


def test_a_number_in_hand_that_somebody_else_took_is_replaced(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        scene.create()
        ((_, in_hand),) = scene.runtime.saver._tools.numbers._free.items()
        assert in_hand

        # Another process that has been given the same numbers.
        in_hand.append(1)

        assert saved(scene.save(Operation.CREATE)).record.quote_number != "QT-2026-000001"


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("write_form", "each"),
    [
        ("one-statement", 100),
        pytest.param("one-statement", 2_500, marks=pytest.mark.slow),
        pytest.param("several-statements", 2_500, marks=pytest.mark.slow),
    ],
)
def test_four_processes_never_give_a_number_twice(
    tmp_path: Path, target: Target, write_form: str, each: int
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene, ExitStack() as stack:
        processes = [
            stack.enter_context(
                SavingProcess(
                    scene, tmp_path, seed=new_seed(), threads=4, most=each, only_creates=True
                )
            )
            for _ in range(4)
        ]
        for process in processes:
            process.wait()
            scene.history.calls += process.calls.values()

        # A keyed create is now and then asked twice: then it is a replay, and has no new number.
        assert scene.history.count(REFUSED, None) == 0
        given = ask(target, "SELECT quote_number FROM quote WHERE agent_id = %s", agent_of(scene))
        assert len(given) == len(set(given)) == scene.history.count(SAVED)
        assert scene.history.count(SAVED) > each * 3
        retried = "SELECT count(*) FROM attempt WHERE agent_id = %s AND retries > 0"
        assert ask(target, retried, agent_of(scene)) == [(0,)]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "write_form",
    ["one-statement", pytest.param("several-statements", marks=pytest.mark.slow)],
)
def test_four_processes_overshoot_the_quota_by_no_more_than_a_block_each(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    quota, threads = 40, 4
    with open_scene(tmp_path, target, write_form=write_form) as scene, ExitStack() as stack:
        processes = [
            stack.enter_context(
                SavingProcess(
                    scene,
                    tmp_path,
                    seed=new_seed(),
                    threads=threads,
                    most=60,
                    only_creates=True,
                    quota=quota,
                )
            )
            for _ in range(4)
        ]
        for process in processes:
            process.wait()
            scene.history.calls += process.calls.values()

        made = scene.history.count(SAVED)
        sys.stdout.write(f"{write_form}: quota {quota}, made {made}\n")
        # No block is larger than the quota, nor than twice the one before it.
        assert quota <= made <= quota + 4 * (2 * BLOCK_MIN + threads)
        codes = {call.code for call in scene.history.calls if call.answer == REFUSED}
        assert codes == {"QUOTA_EXCEEDED"}


def agent_of(scene: Scene) -> UUID:
    return scene.agency.agent_id
