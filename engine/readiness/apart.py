"""Looks in a process of its own, so that probes share nothing with the saves of this one.

The child (`looker`) is told what to look at through its standard input, which stays open: however
this process ends, the child sees it and ends, too. It says a line of JSON for each box that it
begins and for each that it is done with, and has put down by then what it found. A box during which
it ends is put down here, as unknown, and another child goes on with the rest.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final, Self, cast
from uuid import UUID

from pydantic import SecretStr

from engine.access.audit import Actor, Way
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import SetupError
from engine.readiness.assessment import Verdict
from engine.readiness.items import Item
from engine.readiness.knowledge import Release
from engine.readiness.probes.probe import Found, unknown
from engine.readiness.running import Progress, nothing, put_down_found
from engine.readiness.turn import PATIENCE, UnderWayError
from engine.runtime import Runtime
from engine.settings import Settings

# The slowest probe waits two minutes for a limit to be forgotten; a sweep of a large database takes
# some. A look that says nothing for as long will not end.
_BOX_MAX: Final = timedelta(minutes=15)
# Processes that end in the middle of a look, before it is given up.
_DEATHS_MAX: Final = 3
_GRACE_S: Final = 10.0
_BYTES: Final = 65_536
_PROGRAM: Final = "engine.readiness.looker"


@dataclass(frozen=True, slots=True)
class Order:
    """What a process of its own is to look at, and with what.

    Attributes:
        settings: of the process that asks; the child's own differ in nothing.
        target: the database, whose server is not the child's to start.
        actor: who looks.
        release_id: of the release.
        boxes: in their order.
        patience: how long somebody else's look is waited for.
        waits: of the pools of the process that asks, which the child cannot know.
    """

    settings: Settings
    target: Target
    actor: Actor
    release_id: UUID
    boxes: tuple[str, ...]
    patience: timedelta
    waits: Sequence[Mapping[str, int]]

    def written(self) -> bytes:
        """As a line of JSON, secrets among it: for the child's pipe and nothing else."""
        return (
            json.dumps(
                {
                    "settings": {name: _plain(value) for name, value in self.settings},
                    "target": [self.target.app, self.target.owner, self.target.pooler],
                    "actor": asdict(self.actor),
                    "releaseId": self.release_id,
                    "boxes": self.boxes,
                    "patience": self.patience.total_seconds(),
                    "waits": self.waits,
                },
                default=str,
            ).encode()
            + b"\n"
        )

    @classmethod
    def read(cls, line: bytes) -> Self:
        """What was written."""
        told: dict[str, Any] = json.loads(line)
        actor = told["actor"]
        account_id = actor["account_id"]
        actor |= {"account_id": account_id and UUID(account_id), "way": Way(actor["way"])}
        app, owner, pooler = told["target"]
        return cls(
            settings=Settings.model_validate(told["settings"]),
            target=Target(app, owner, pooler),
            actor=Actor(**actor),
            release_id=UUID(told["releaseId"]),
            boxes=tuple(told["boxes"]),
            patience=timedelta(seconds=told["patience"]),
            waits=told["waits"],
        )


def run_apart(
    runtime: Runtime,
    actor: Actor,
    release: Release,
    items: Sequence[Item],
    progress: Progress = nothing,
    patience: timedelta = PATIENCE,
) -> dict[str, Found]:
    """Looks at boxes in a process of its own, one look at a time; what was found, by id.

    Boxes are missing from it that were not looked at, after processes that looked have ended again
    and again; what was known of those stays.

    Args:
        runtime: of this process; its pools are left alone.
        actor: who looks.
        release: whose boxes.
        items: of the boxes.
        progress: told of each box.
        patience: how long somebody else's look is waited for.

    Raises:
        UnderWayError: somebody else looks.
        SetupError: the process ended before it looked at anything.
        sqlalchemy.exc.DBAPIError: an end could not be put down.
    """
    found: dict[str, Found] = {}
    left = list(items)
    for _ in range(_DEATHS_MAX):
        if not left:
            break
        pools = (runtime.save_pool, runtime.read_pool)
        order = Order(
            runtime.settings,
            runtime.target,
            actor,
            release.id,
            tuple(each.id for each in left),
            patience,
            [dict(each.stats()) for each in pools],
        )

        def took(item: Item, result: Found, *, total: int = len(items)) -> None:
            found[item.id] = result
            progress(item, result, len(found), total)

        ended = _Told(release, took).listen(order)
        left = [each for each in left if each.id not in found]
        if ended is None:
            break
        if ended.during is None:
            if not found:
                raise SetupError(f"nothing was looked at: {ended.why}")
            break
        started_at = runtime.clock.now()
        result = unknown(f"It was being looked at when {ended.why}")
        with session_of(runtime.target) as session:
            put_down_found(
                session, runtime.clock, runtime.settings, actor, release, ended.during.id, result,
                started_at,
            )  # fmt: skip
        took(ended.during, result)
        left.remove(ended.during)
    return found


@dataclass(frozen=True, slots=True)
class _End:
    """How a child ended that was not done: why, and during which box if it had begun one."""

    why: str
    during: Item | None


class _Told:
    """What one child says."""

    def __init__(self, release: Release, took: Callable[[Item, Found], None]) -> None:
        self._items = release.items
        self._took = took
        self._during: Item | None = None

    def listen(self, order: Order) -> _End | None:
        """Has one child look, and hears what it says; how it ended, unless it was done.

        Raises:
            UnderWayError: somebody else looks.
            SetupError: it could not look, and said why.
        """
        is_done, is_silent = False, False
        with _child(order) as child:
            for line in _lines(child):
                if line is None:
                    is_silent = True
                    child.kill()
                    break
                is_done = self._heard(json.loads(line))
            status = child.wait(_GRACE_S)
        if is_done:
            return None
        if is_silent:
            return _End(f"the process that looked had said nothing for {_BOX_MAX}", self._during)
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        return _End(f"the process that looked ended ({how})", self._during)

    def _heard(self, said: Mapping[str, Any]) -> bool:
        if "refused" in said:
            raise (UnderWayError if said["isUnderWay"] else SetupError)(said["refused"])
        if "begun" in said:
            self._during = self._items[said["begun"]]
        elif "found" in said:
            result = Found(
                Verdict(said["verdict"]), said["reason"], said["numbers"], said["witness"]
            )
            self._during = None
            self._took(self._items[said["found"]], result)
        return "done" in said


@contextmanager
def _child(order: Order) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks; ended with the block.

    In a session of its own: who interrupts a command at a terminal means this process, whose end
    the child sees.
    """
    with subprocess.Popen(  # noqa: S603  # our own interpreter and module
        [sys.executable, "-m", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as child:
        pipe = cast("Any", child.stdin)
        try:
            pipe.write(order.written())
            pipe.flush()
        except BrokenPipeError:
            pass  # it has ended already, which shows
        try:
            yield child
        finally:
            pipe.close()
            try:
                child.wait(_GRACE_S)
            except subprocess.TimeoutExpired:
                child.kill()


def _lines(child: subprocess.Popen[bytes]) -> Iterator[bytes | None]:
    """The lines that a child says; None, and no more, when it says nothing for too long."""
    reader = cast("Any", child.stdout)
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    kept = b""
    while True:
        if not poll.poll(_BOX_MAX.total_seconds() * 1000):
            yield None
            return
        read = os.read(reader.fileno(), _BYTES)
        if not read:
            return
        *lines, kept = (kept + read).split(b"\n")
        yield from lines


def _plain(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return str(value.total_seconds()) if isinstance(value, timedelta) else value
