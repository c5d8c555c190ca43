"""Checkpoints: the head of every seal, written down outside of the database, a line each.

With them a chain that was cut off, or a backup that was brought back, does not pass for the whole.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CHECKPOINTS_FILE: Final = "checkpoints.jsonl"


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints in a file, to which lines are added by one process at a time.

    Attributes:
        path: of the file.
    """

    path: Path

    @property
    def is_there(self) -> bool:
        """Whether there is a file, be it empty."""
        return self.path.exists()

    def begin(self) -> None:
        """Makes the file, unless there is one.

        Raises:
            OSError: it cannot be made.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(exist_ok=True)

    def read(self) -> list[dict[str, Any]]:
        """All of them; a last line that was not written to its end is none.

        Raises:
            OSError: the file cannot be read.
            ValueError: a line is no checkpoint.
        """
        return _lines(self.path.read_bytes())

    def add(self, after: Callable[[int], Sequence[dict[str, Any]]]) -> int:
        """Adds those that are missing; returns how many.

        Args:
            after: gives those that come after a number.

        Raises:
            OSError: the file is not there, or cannot be written.
            ValueError: a line is no checkpoint.
        """
        with self.path.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # falls with the file
            content = file.read()
            known = max((int(each["number"]) for each in _lines(content)), default=0)
            new = after(known)
            if new:
                # What a process that died has left of a line goes.
                whole = content.rfind(b"\n") + 1
                file.seek(whole)
                file.truncate()
                file.write(
                    b"".join(json.dumps(each, sort_keys=True).encode() + b"\n" for each in new)
                )
                file.flush()
                os.fsync(file.fileno())
        return len(new)


def _lines(content: bytes) -> list[dict[str, Any]]:
    whole = content[: content.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines() if line.strip()]
