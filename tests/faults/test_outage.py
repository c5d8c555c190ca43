"""The database is away for a while: saves are refused in time, and every one has its row later."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest

from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.saving.answer import Refused
from engine.worker import open_worker
from tests.database.cluster_harness import eventually
from tests.faults.history import SAVED
from tests.faults.load import Load, new_seed
from tests.faults.scene import CLOCK, open_scene, refused, rows_of

# As shipped, except that the sweeper looks more often.
SETTINGS = {"sweep_interval": timedelta(seconds=0.2)}
POOL_WAIT_S, BUDGET_S = 2.0, 10.0
# What this machine may add to a limit when it is busy.
SLACK_S = 3.0


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "away_s", [2.5, pytest.param(10.0, marks=pytest.mark.slow)], ids=["short", "full"]
)
def test_an_absent_database_refuses_saves_in_time_and_gets_every_row_when_it_is_back(
    tmp_path: Path, target: Target, write_form: str, away_s: float
) -> None:
    with (
        open_scene(tmp_path, target, write_form=write_form, **SETTINGS) as scene,
        open_worker(scene.runtime),
    ):
        quote_id, load = scene.create(), Load(scene, new_seed())
        with load.running(4):
            assert eventually(lambda: scene.history.count(SAVED) > 20)
            gone = CLOCK.monotonic()
            scene.proxy.refuse()

            # What needs the database is refused when the wait for a connection is over.
            answered = scene.update(quote_id, 1)
            assert refused(answered) == ("QUOTE_PERSISTENCE_FAILED", False)
            assert CLOCK.monotonic() - gone < POOL_WAIT_S * 2 + SLACK_S
            # What does not is refused at once, since its row goes to the spool.
            asked = CLOCK.monotonic()
            invalid = scene.save(Operation.CREATE, body={"adults": 0})
            assert refused(invalid) == ("QUOTE_VALIDATION_FAILED", False)
            assert CLOCK.monotonic() - asked < 1
            assert rows_of(target, invalid.correlation_id) == []
            assert scene.runtime.journal.is_spooling

            CLOCK.sleep(away_s - (CLOCK.monotonic() - gone))
            before = scene.history.count(SAVED)
            scene.proxy.accept()
            back = CLOCK.monotonic()
            assert eventually(lambda: scene.history.count(SAVED) > before)
            resumed_s = CLOCK.monotonic() - back
            assert resumed_s < POOL_WAIT_S + SLACK_S
        assert eventually(lambda: not scene.runtime.journal.is_spooling)

        assert scene.row_of(answered)["outcome"] == "failed"
        assert scene.row_of(invalid)["outcome"] == "rejected"
        longest = max(call.returned - call.invoked for call in scene.history.calls if call.returned)
        assert longest < BUDGET_S + SLACK_S
        sys.stdout.write(
            f"{write_form}: away {away_s} s, {len(scene.history.calls)} attempts, longest"
            f" {longest:.1f} s, resumed after {resumed_s:.2f} s\n"
        )


def test_a_spool_that_refusals_keep_filling_is_emptied_all_the_same(
    tmp_path: Path, target: Target
) -> None:
    limits = {"pool_wait": timedelta(seconds=0.2)}
    with open_scene(tmp_path, target, **limits) as scene:
        scene.proxy.refuse()
        assert refused(scene.save(Operation.CREATE))[0] == "QUOTE_PERSISTENCE_FAILED"
        scene.proxy.accept()
        stop = Event()

        def refuse_on_and_on() -> None:
            while not stop.is_set():
                assert isinstance(scene.save(Operation.CREATE, body={"adults": 0}), Refused)

        caller = Thread(target=refuse_on_and_on)
        caller.start()
        try:
            assert eventually(lambda: len(scene.runtime.journal.spooled()) > 10)

            def is_empty_after_a_sweep() -> bool:
                scene.runtime.sweeper.sweep()
                return not scene.runtime.journal.is_spooling

            assert eventually(is_empty_after_a_sweep)
        finally:
            stop.set()
            caller.join(30)
