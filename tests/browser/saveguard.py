"""A real `saveguard up` in a process of its own, and a caller that saves through its API."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from engine.database.cluster import Cluster
from engine.payload import decode_stored, encode
from tests.database.cluster_harness import locked
from tests.support import quote_body

_QUOTES = "/api/agents/quotes"
_JSON = {"content-type": "application/json"}
_STOP_S = 30.0


@dataclass(frozen=True)
class Saveguard:
    """A running dashboard and API, with an agent that may save."""

    url: str
    data_dir: Path
    caller: httpx.Client

    def create(self, **changes: Any) -> httpx.Response:
        """Saves a new quote; changes may make it one that is refused."""
        return self._post(quote_body(**changes))

    def create_many(self, number: int, **changes: Any) -> None:
        """Saves a number of new quotes."""
        for _ in range(number):
            self.create(**changes)

    def lose_a_race(self) -> tuple[str, str]:
        """Saves one version twice: the correlation ids of the save that lost, and of the other."""
        quote_id = self.create().json()["quoteId"]
        answers = [
            self.caller.patch(
                f"{_QUOTES}/{quote_id}",
                content=json.dumps({"version": 1, "tripName": f"Trip {number}"}),
                headers=_JSON,
            )
            for number in range(2)
        ]
        assert [each.status_code for each in answers] == [200, 409]
        winner, loser = (each.headers["x-correlation-id"] for each in answers)
        return loser, winner

    @contextmanager
    def dead_database(self) -> Iterator[None]:
        """Ends the server's postmaster as a crash would, and keeps anybody from starting it anew.

        Its children follow it. When the block ends, the dashboard's process starts it again.
        """
        with locked(self.data_dir / "postgresql" / "start.lock", fcntl.LOCK_EX):
            os.kill(self._postmaster(), signal.SIGKILL)
            yield

    @contextmanager
    def frozen_database(self) -> Iterator[None]:
        """Stops the server where it stands: it hangs up on nobody, and says nothing."""
        postmaster = psutil.Process(self._postmaster())
        frozen = [postmaster]
        postmaster.suspend()
        try:
            for backend in postmaster.children(recursive=True):
                backend.suspend()
                frozen.append(backend)
            yield
        finally:
            for process in frozen:
                with suppress(psutil.NoSuchProcess):
                    process.resume()

    def _postmaster(self) -> int:
        return int((self._cluster().data / "postmaster.pid").read_text().splitlines()[0])

    def _cluster(self) -> Cluster:
        return Cluster(self.data_dir / "postgresql")

    def _post(self, body: dict[str, Any]) -> httpx.Response:
        return self.caller.post(_QUOTES, content=encode(body), headers=_JSON)


@contextmanager
def running_saveguard(data_dir: Path) -> Iterator[Saveguard]:
    """Serves from a fresh data directory on a free port until the block ends.

    Args:
        data_dir: made if need be, in a directory that the server's user can enter, too.
    """
    data_dir.mkdir(exist_ok=True)
    data_dir.chmod(0o755)  # PostgreSQL never runs as root; whoever it runs as has to get in
    port = free_port()
    command = [sys.executable, "-m", "dashboard"]
    place = ["--data-dir", str(data_dir)]
    serving = subprocess.Popen(  # noqa: S603  # our own interpreter and module
        [*command, "up", *place, "--port", str(port)], stderr=subprocess.PIPE, text=True
    )
    try:
        _await_announcement(serving)
        added = subprocess.run(  # noqa: S603
            [*command, "agent", "add", "Agency", "--email", "agency@example.org", "--json", *place],
            check=True,
            capture_output=True,
            text=True,
        )
        url = f"http://127.0.0.1:{port}"
        key = json.loads(added.stdout)["apiKey"]
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}) as caller:
            yield Saveguard(url, data_dir, caller)
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=_STOP_S)


@contextmanager
def starting_dashboard(data_dir: Path, port: int, **environ: str) -> Iterator[Callable[[], str]]:
    """Serves another dashboard on a database that is served already.

    Yields what waits until it can be asked, and returns its URL: several can start at once.

    Args:
        data_dir: of a running Saveguard.
        port: where to listen.
        environ: settings of this one, and of this one only.
    """
    serving = subprocess.Popen(  # noqa: S603  # our own interpreter and module
        [
            *(sys.executable, "-m", "dashboard", "dashboard"),
            *("--data-dir", str(data_dir), "--port", str(port)),
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environ,
    )
    try:

        def ready() -> str:
            _await_announcement(serving, "Dashboard on ")
            return f"http://127.0.0.1:{port}"

        yield ready
    finally:
        serving.send_signal(signal.SIGTERM)
        serving.communicate(timeout=_STOP_S)


def command(data_dir: Path, *words: str, said: str = "") -> str:
    """Runs a command of Saveguard's; returns what it prints.

    Args:
        data_dir: of a running Saveguard.
        words: the command.
        said: to its standard input.
    """
    done = subprocess.run(  # noqa: S603  # our own interpreter and module
        [sys.executable, "-m", "dashboard", *words, "--data-dir", str(data_dir)],
        input=said,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def _await_announcement(serving: subprocess.Popen[str], announcement: str = "API on ") -> None:
    assert serving.stderr is not None
    said = []
    for line in serving.stderr:
        said.append(line)
        if line.startswith(announcement):
            return
    raise AssertionError(f"saveguard ended: {''.join(said)}")


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def correlation_id(answer: httpx.Response) -> str:
    """The correlation id of an answer of the API."""
    body: dict[str, Any] = decode_stored(answer.content)
    found: str = body["correlationId"]
    return found
