"""Processes that serve, each started on a free port and stopped when its block ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import psutil

from engine.clock import SystemClock

_TOP: Final = Path(__file__).resolve().parent.parent
_START_S: Final = 60.0
_STOP_S: Final = 30.0


@contextmanager
def serving(
    command: list[str], environment: Mapping[str, str], port: int
) -> Iterator[psutil.Process]:
    """A server, once it listens.

    Args:
        command: starts it; run from the top of the checkout.
        environment: of the process.
        port: where it will listen.

    Raises:
        SystemExit: it did not start; the message has the end of what it said.
    """
    # A file, not a pipe: nobody reads it while the server runs.
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603
            command, env=dict(environment), cwd=_TOP, stdout=subprocess.DEVNULL, stderr=said
        )
        try:
            _wait_for(port, process, said)
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_S)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
    clock = SystemClock()
    give_up = clock.monotonic() + _START_S
    while not any(
        each.laddr.port == port and each.status == psutil.CONN_LISTEN
        for each in psutil.Process(process.pid).net_connections("tcp")
    ):
        if process.poll() is not None or clock.monotonic() > give_up:
            said.seek(0)
            raise SystemExit(f"the server did not start: {said.read().decode()[-1000:]}")
        clock.sleep(0.05)
