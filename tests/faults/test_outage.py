"""The database is away for a while: saves are refused in time, and every one has its row later."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread, Timer

import httpx
import pytest

from engine import worker
from engine.database.target import Target
from engine.errors import SetupError
from engine.quotes.lifecycle import Operation
from engine.readiness.probes.history import SAVED
from engine.runtime import open_runtime
from engine.saving.answer import Refused
from engine.settings import Settings
from engine.worker import open_worker
from tests.api.caller import calling
from tests.api.service import served, settings_in
from tests.database.cluster_harness import eventually
from tests.faults.load import Load, new_seed
from tests.faults.programs import start, url_of
from tests.faults.proxy import Fault, FaultProxy, anything, free_port
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


def test_a_start_waits_longer_for_its_first_connection_than_a_save_would(
    tmp_path: Path, own_target: Target
) -> None:
    hasty = Settings(data_dir=tmp_path, pool_wait=timedelta(seconds=0.1))
    with FaultProxy(own_target.app) as proxy:
        held = proxy.on(anything, Fault.HOLD_REPLY, times=20)
        opening = Timer(1, held.gate.set)
        opening.start()
        with open_runtime(hasty, replace(own_target, app=proxy.through(own_target.app))) as runtime:
            assert held.gate.is_set()
            assert runtime.read_pool.stats()["requests_errors"] > 1
        opening.join()


def test_a_start_is_told_at_once_that_the_server_refuses(
    tmp_path: Path, own_target: Target
) -> None:
    with FaultProxy(own_target.app) as proxy:
        target = replace(own_target, app=proxy.through(own_target.app))
        proxy.refuse()
        began = CLOCK.monotonic()

        with pytest.raises(SetupError), open_runtime(Settings(data_dir=tmp_path), target):
            pass

        assert CLOCK.monotonic() - began < POOL_WAIT_S + SLACK_S


def test_callers_who_queue_while_the_database_is_away_hear_within_the_budget(
    tmp_path: Path, own_target: Target
) -> None:
    budget_s, callers = 2.0, 80
    with FaultProxy(own_target.app) as proxy:
        target = replace(own_target, app=proxy.through(own_target.app))
        settings = settings_in(tmp_path, save_budget=budget_s, pool_wait=1)
        with served(target, settings) as service, calling(service) as caller:
            caller.create()
            proxy.refuse()
            asked = CLOCK.monotonic()

            with ThreadPoolExecutor(callers) as threads:
                answers = list(threads.map(lambda _: caller.call("POST", body={}), range(callers)))

            assert CLOCK.monotonic() - asked < budget_s + SLACK_S
            codes = {answer.json()["errorCode"] for answer in answers}
            # The key was verified before; what can be said without the database is said.
            assert codes <= {"QUOTE_PERSISTENCE_FAILED", "QUOTE_VALIDATION_FAILED"}
            proxy.accept()


def test_an_api_alone_sees_every_attempt_into_the_ledger_after_an_outage(
    tmp_path: Path, own_target: Target
) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with FaultProxy(own_target.app) as proxy, client_at(address) as caller:
        process = start(
            *("-m", "engine.cli", "api", "--port", str(port), "--data-dir", str(tmp_path)),
            DATABASE_URL=url_of(proxy.through(own_target.app)),
            SAVEGUARD_OWNER_DATABASE_URL=url_of(own_target.owner),
            SAVEGUARD_SWEEP_INTERVAL="0.1",
        )
        try:
            assert eventually(lambda: is_ready(caller), 60)
            proxy.refuse()
            ids = [refused_once(caller)]
            proxy.accept()
            ids += [refused_once(caller) for _ in range(5)]

            # The process lives on: nobody else may look into its journal.
            assert eventually(lambda: all(rows_of(own_target, each) for each in ids), 30)
            assert process.poll() is None
        finally:
            process.terminate()
            process.communicate(timeout=30)


def client_at(address: str) -> httpx.Client:
    return httpx.Client(base_url=address, timeout=30, trust_env=False)


def is_ready(caller: httpx.Client) -> bool:
    try:
        return caller.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def refused_once(caller: httpx.Client) -> str:
    """A call without a key; its correlation id."""
    answer = caller.post("/api/agents/quotes", json={})
    assert answer.json()["errorCode"] == "AUTHENTICATION_FAILED"
    correlation_id: str = answer.headers["x-correlation-id"]
    return correlation_id


def test_a_silent_line_to_the_owners_database_does_not_keep_a_process_from_ending(
    tmp_path: Path, own_target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Both jobs that use the line ask for partitions; which comes first is up to the machine.
    for limit in ("_PARTITIONS_S", "_RETENTION_S"):
        monkeypatch.setattr(worker, limit, 0.5)
    with FaultProxy(own_target.owner) as proxy:
        target = replace(own_target, owner=proxy.through(own_target.owner))
        with open_runtime(Settings(data_dir=tmp_path), target) as runtime:
            held = proxy.on(lambda request: "pg_inherits" in request.sql, Fault.HOLD_REPLY)
            with open_worker(runtime):
                assert held.met.wait(20)
                asked = CLOCK.monotonic()

            assert CLOCK.monotonic() - asked < SLACK_S
            assert not held.gate.is_set()
