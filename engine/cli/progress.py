"""A bar on standard error that shows a person how far a long command is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


class Move(Protocol):
    """Moves a bar."""

    def __call__(self, done: int, of: int | None = None, /) -> None:
        """Shows how many are done, and of how many; None leaves that as it was."""


@contextmanager
def bar(what: str, total: Callable[[], int | None] = lambda: None) -> Iterator[Move]:
    """A bar while somebody is watching; nothing where standard error is no terminal.

    Args:
        what: is counted.
        total: how many there will be, None where that is not known; only asked for who watches.
    """
    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bars:
        task = bars.add_task(what, total=total() if console.is_terminal else None)

        def move(done: int, of: int | None = None, /) -> None:
            bars.update(task, completed=done, total=of)

        yield move
