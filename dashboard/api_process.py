"""The API as a process of its own beside the dashboard: kept alive, and never left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog

from engine.settings import Settings

_GRACE_S: Final = 15.0
# A process that cannot start is not started again and again without a pause.
_PAUSE_S: Final = 1.0


@contextmanager
def api_process(settings: Settings) -> Iterator[None]:
    """Runs the API in a child process until the block ends; starts it again when it dies.

    The child reads from a pipe that only this process writes to: however this process ends, the
    child sees it and ends, too.
    """
    keeper = _Keeper(settings)
    thread = threading.Thread(target=keeper.keep, name="api process", daemon=True)
    keeper.start()
    thread.start()
    try:
        yield
    finally:
        keeper.stop()
        thread.join(_GRACE_S + _PAUSE_S)


class _Keeper:
    """Starts the child, waits for it, starts it again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._is_over = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the child; it announces itself."""
        settings = self._settings
        self._child = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [
                *(sys.executable, "-m", "dashboard", "api", "--part"),
                *("--data-dir", str(settings.data_dir)),
            ],
            stdin=subprocess.PIPE,
            env={
                **os.environ,
                "SAVEGUARD_HOST": settings.host,
                "SAVEGUARD_API_PORT": str(settings.api_port),
            },
        )

    def keep(self) -> None:
        """Starts the child again whenever it ends, until told to stop."""
        while self._child is not None:
            status = self._child.wait()
            if self._is_over.wait(_PAUSE_S):
                return
            structlog.get_logger().error("api_process_died", status=status)
            self.start()
            if self._is_over.is_set():  # while we were at it
                self.stop()

    def stop(self) -> None:
        """Ends the child: in order if it can, at once if it cannot."""
        self._is_over.set()
        child = self._child
        if child is None:
            return
        child.terminate()
        try:
            child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
