"""A save has a budget: what comes too late is refused for certain, and costs nobody else a line."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.saving import course, write
from tests.faults.scene import CLOCK, open_scene, refused


@pytest.mark.parametrize("operation", [Operation.CREATE, Operation.UPDATE])
def test_a_save_that_waited_longer_than_its_budget_is_refused_and_nothing_is_sent(
    tmp_path: Path, target: Target, write_form: str, operation: Operation
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        quote_id = scene.create()
        made = scene.runtime.save_pool.stats()["connections_num"]
        for _ in range(20):
            # As when a caller's request has queued in front of us.
            result = scene.save(
                operation,
                None if operation is Operation.CREATE else quote_id,
                {} if operation is Operation.CREATE else {"version": 1},
                received=CLOCK.monotonic() - 60,
            )

            assert refused(result) == ("DATABASE_TIMEOUT", False)
        assert scene.stored(quote_id).version == 1
        assert scene.runtime.save_pool.stats()["connections_num"] == made


def test_a_save_whose_time_runs_out_before_its_write_is_refused_for_certain(
    tmp_path: Path, target: Target, write_form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = {"save_budget": timedelta(seconds=3)}
    with open_scene(tmp_path, target, write_form=write_form, **limits) as scene:
        quote_id, real = scene.create(), write.write_save

        def delayed(*args: object) -> object:
            CLOCK.sleep(2.2)
            return real(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(course, "write_save", delayed)
        sent = scene.proxy.requests

        result = scene.update(quote_id, 1)

        assert refused(result) == ("DATABASE_TIMEOUT", False)
        assert scene.stored(quote_id).version == 1
        # The read, and the row of the refusal; no write.
        assert scene.proxy.requests - sent <= 4


@pytest.mark.parametrize("budget_s", [0.5, 1.0])
def test_a_small_budget_still_has_room_for_a_save(
    tmp_path: Path, target: Target, write_form: str, budget_s: float
) -> None:
    limits = {"save_budget": timedelta(seconds=budget_s)}
    with open_scene(tmp_path, target, write_form=write_form, **limits) as scene:
        scene.create()
        results = [scene.save(Operation.CREATE) for _ in range(10)]

        assert any(result.http_status == 201 for result in results)
