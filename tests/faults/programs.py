"""Programs in processes of their own, and what they were heard to say before they died."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import msgspec
from psycopg.conninfo import conninfo_to_dict

from engine.attempts.journal import SUFFIX, Begin, _records
from engine.readiness.probes.history import Call
from tests.database.cluster_harness import REPOSITORY, eventually
from tests.faults.saving_program import BEGUN, Order
from tests.faults.scene import Scene

_PROGRAM = Path(__file__).with_name("saving_program.py")


class SavingProcess:
    """A running `saving_program`; what it tells is read as it comes."""

    def __init__(self, scene: Scene, data_dir: Path, **more: Any) -> None:
        """Starts it on the scene's database, past the proxy.

        Args:
            scene: whose agent saves.
            data_dir: for the program's journal.
            more: of the order.
        """
        self._scene = scene
        agency = scene.agency
        order = Order(
            app=scene.direct.app,
            owner=scene.direct.owner,
            data_dir=str(data_dir),
            write_form=scene.runtime.settings.write_form,
            agent_id=agency.agent_id,
            account_id=agency.account_id,
            client_id=agency.client_id,
            **more,
        )
        self._process = start(_PROGRAM, msgspec.json.encode(order).decode())
        self.calls: dict[str, Call] = {}
        self.begun: set[str] = set()
        self._reader = threading.Thread(target=self._read, name="reader")
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def answered(self) -> int:
        """How many calls have been answered so far."""
        return sum(call.answer is not None for call in list(self.calls.values()))

    def await_answers(self, count: int) -> None:
        """Waits until so many calls have been answered."""
        assert eventually(lambda: self.answered() >= count or self.is_over(), 60)
        assert self.answered() >= count

    def is_over(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """Kills it the hard way, and hears out what it had said by then."""
        self._scene.has_killed = True
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)
        self._reader.join(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def wait(self) -> None:
        """Lets it end in order."""
        assert self._process.wait(100) == 0
        self._reader.join(30)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(BEGUN):
                self.begun.add(line.removeprefix(BEGUN).decode().strip())
            else:
                call = msgspec.json.decode(line, type=Call)
                self.calls[call.correlation_id] = call


def start(*command: str | Path, **environ: str) -> subprocess.Popen[bytes]:
    """Starts a Python program of ours that tells us something on standard output."""
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environ},
    )


def begun_in(directory: Path) -> set[str]:
    """Correlation ids of the attempts that journals say were begun; of one never written anew."""
    return {
        record.row.correlation_id
        for path in directory.rglob(f"*{SUFFIX}")
        for record in _records(path)
        if isinstance(record, Begin)
    }


def url_of(conninfo: str) -> str:
    """A conninfo as a URL."""
    return "postgresql://?" + "&".join(
        f"{name}={quote(str(value), safe='')}" for name, value in conninfo_to_dict(conninfo).items()
    )
