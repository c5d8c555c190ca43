"""The saving process is killed under load; another one closes what it had begun."""

from __future__ import annotations

import http.client
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from engine.database.target import Target
from engine.payload import encode
from engine.readiness.probes.history import INDETERMINATE, REFUSED, REPLAYED, SAVED, Call, History
from engine.worker import open_worker
from tests.database.cluster_harness import eventually
from tests.faults.load import THREADS, new_seed
from tests.faults.programs import SavingProcess, begun_in, start, url_of
from tests.faults.proxy import free_port
from tests.faults.scene import CLOCK, Scene, open_scene, rows_of
from tests.support import quote_body

ROUNDS = [2, pytest.param(25, marks=pytest.mark.slow)]
SAVES = 80
NOBODY_ANSWERS = (OSError, http.client.HTTPException)


def account_for(scene: Scene, calls: list[Call], begun: set[str], threads: int) -> None:
    """Adds what a killed process was asked to the scene's history; its journal has been swept."""
    unanswered = {call.correlation_id for call in calls if call.answer is None}
    assert len(unanswered) <= threads
    # It may have been killed before it had begun what it was asked, or before it could tell so.
    untold = unanswered - begun
    scene.never_begun |= {each for each in untold if not rows_of(scene.direct, each)}
    scene.history.calls += calls


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", ROUNDS, ids=["small", "full"])
# A journal is written anew when it has grown: here after every few attempts.
@pytest.mark.parametrize("rotate_bytes", [8 * 1024 * 1024, 4096], ids=["one journal", "many"])
def test_a_process_killed_under_load_leaves_no_attempt_without_its_row(
    tmp_path: Path, target: Target, write_form: str, rotate_bytes: int, rounds: int
) -> None:
    sweeping = {"sweep_interval": timedelta(seconds=0.02)}
    with (
        open_scene(tmp_path, target, write_form=write_form, **sweeping) as scene,
        open_worker(scene.runtime),  # looks for a left-over journal all the time
    ):
        for _ in range(rounds):
            with SavingProcess(
                scene, tmp_path, seed=new_seed(), rotate_bytes=rotate_bytes
            ) as process:
                process.await_answers(SAVES)
                process.kill()
            scene.sweep()
            account_for(scene, list(process.calls.values()), process.begun, THREADS)

        counts = {answer: scene.history.count(answer) for answer in (SAVED, REPLAYED, REFUSED)}
        sys.stdout.write(
            f"{write_form}: killed {rounds} times, {len(scene.history.calls)} calls, {counts},"
            f" unanswered {scene.history.count(None)}, never begun {len(scene.never_begun)}\n"
        )


def test_two_heirs_of_a_dead_process_close_its_attempts_once(
    tmp_path: Path, target: Target, write_form: str
) -> None:
    with (
        open_scene(tmp_path, target, write_form=write_form) as scene,
        open_scene(tmp_path, target, write_form=write_form) as other,
    ):
        scene.neighbours.append(other.runtime.journal)
        other.neighbours.append(scene.runtime.journal)
        with SavingProcess(scene, tmp_path, seed=new_seed()) as process:
            process.await_answers(SAVES)
        barrier = threading.Barrier(2, timeout=30)

        def inherit(heir: Scene) -> None:
            barrier.wait()
            heir.runtime.sweeper.sweep()

        heirs = [threading.Thread(target=inherit, args=(heir,)) for heir in (scene, other)]
        for thread in heirs:
            thread.start()
        for thread in heirs:
            thread.join(30)
        scene.sweep()
        account_for(scene, list(process.calls.values()), process.begun, THREADS)


class Http:
    """Callers of the HTTP API, whose history is made of what they heard."""

    def __init__(self, scene: Scene, port: int) -> None:
        self._scene = scene
        self.port = port
        self.history = History()

    def is_ready(self) -> bool:
        try:
            with closing(self._connect()) as connection:
                return self._exchange(connection, "GET", "/readyz")[0] == 200
        except NOBODY_ANSWERS:
            return False

    @contextmanager
    def calling(self) -> Iterator[None]:
        """Callers at work until their server is gone."""
        callers = [threading.Thread(target=self._call, name="http") for _ in range(THREADS)]
        for caller in callers:
            caller.start()
        yield
        for caller in callers:
            caller.join(30)
        assert not any(caller.is_alive() for caller in callers)

    def _call(self) -> None:
        """Creates a quote, then changes it, again and again, until nobody answers."""
        with closing(self._connect()) as connection, suppress(*NOBODY_ANSWERS):
            while True:
                quote_id = self._save(connection, "CREATE", None, quote_body())
                for version in range(1, 5):
                    self._save(connection, "UPDATE", quote_id, {"version": version})

    def _save(
        self, connection: Any, operation: str, quote_id: UUID | None, body: dict[str, Any]
    ) -> UUID | None:
        name, agent_id = str(CLOCK.uuid7()), self._scene.agency.agent_id
        call = Call(
            correlation_id=f"HTTP-{name}",
            agent_id=agent_id,
            operation=operation,
            quote_id=quote_id,
            key=name,
            trip_name=name,
            invoked=CLOCK.monotonic(),
        )
        self.history.asked(call)
        path = "/api/agents/quotes" + ("" if quote_id is None else f"/{quote_id}")
        status, heard = self._exchange(
            connection,
            "POST" if quote_id is None else "PATCH",
            path,
            body | {"tripName": name},
            call,
        )
        call.returned = CLOCK.monotonic()
        if status in {200, 201}:
            call.answer, call.version = SAVED, heard["version"]
            call.quote_id = UUID(heard["quoteId"])
            call.answered_id = heard["correlationId"]
        else:
            call.code = heard["errorCode"]
            is_unknown = heard["details"].get("outcome") == "indeterminate"
            call.answer = INDETERMINATE if is_unknown else REFUSED
        return call.quote_id

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        call: Call | None = None,
    ) -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._scene.agency.api_key}"}
        if call is not None:
            headers |= {"X-Correlation-ID": call.correlation_id, "Idempotency-Key": str(call.key)}
            headers |= {"Content-Type": "application/json"}
        connection.request(method, path, None if body is None else encode(body), headers)
        answer = connection.getresponse()
        return answer.status, msgspec.json.decode(answer.read())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("rounds", [1, pytest.param(15, marks=pytest.mark.slow)])
def test_an_api_killed_under_load_keeps_what_its_callers_heard(
    tmp_path: Path, target: Target, write_form: str, rounds: int
) -> None:
    with open_scene(tmp_path, target, write_form=write_form) as scene:
        for _ in range(rounds):
            calls = killed_while_called(scene, tmp_path)
            begun = begun_in(tmp_path / "journal")
            scene.sweep()
            account_for(scene, calls, begun, THREADS)
        counts = {answer: scene.history.count(answer) for answer in (SAVED, REFUSED, None)}
        sys.stdout.write(f"{write_form} over HTTP: {counts}\n")


def killed_while_called(scene: Scene, data_dir: Path) -> list[Call]:
    """Starts an API, calls it from several threads, kills it; returns what was asked and heard."""
    http = Http(scene, free_port())
    process = start(
        *("-m", "engine.cli", "api", "--port", str(http.port), "--data-dir", str(data_dir)),
        DATABASE_URL=url_of(scene.direct.app),
        SAVEGUARD_OWNER_DATABASE_URL=url_of(scene.direct.owner),
        SAVEGUARD_WRITE_FORM=scene.runtime.settings.write_form,
    )
    try:
        assert eventually(http.is_ready, 60)
        with http.calling():
            assert eventually(lambda: http.history.count(SAVED) >= 2 * SAVES, 60)
            scene.has_killed = True
            process.kill()
    finally:
        process.kill()
        process.communicate()
    return http.history.calls
