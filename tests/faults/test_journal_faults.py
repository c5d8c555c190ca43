"""The journal's disk is full, its directory is gone, its readers are many."""

from __future__ import annotations

import errno
import os
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from engine.attempts.journal import Journal
from engine.attempts.ledger import AttemptRow
from engine.clock import SystemClock
from engine.correlation import make_correlation_id
from engine.database.target import Target
from engine.quotes.lifecycle import Operation
from engine.runtime import open_runtime
from engine.settings import Settings
from tests.faults.calls import saved
from tests.faults.scene import CLOCK, ask, open_scene, refused, rows_of


class FullDisk:
    """Takes a few bytes of each line, as a disk does that is almost full."""

    def __init__(self, takes: int) -> None:
        self._takes = takes
        self._write = os.write

    def __call__(self, file: int, line: bytes) -> int:
        if not self._takes:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._write(file, line[: self._takes])


@pytest.mark.parametrize("takes", [0, 7], ids=["full", "almost full"])
def test_nothing_is_begun_that_cannot_be_journaled(
    tmp_path: Path, target: Target, monkeypatch: pytest.MonkeyPatch, takes: int
) -> None:
    with open_scene(tmp_path, target) as scene:
        quote_id = scene.create()
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", FullDisk(takes))
            sent = scene.proxy.requests

            result = scene.update(quote_id, 1)

            assert refused(result) == ("QUOTE_PERSISTENCE_FAILED", False)
            # Its row is all that was sent; a new connection had to be made for it, at most.
            assert scene.proxy.requests - sent <= 2
            # Nor does the disk take its log line, which fails nothing.
            scene.unlogged.add(result.correlation_id)
        assert scene.stored(quote_id).version == 1
        assert [type(each) for each in scene.surprises] == [OSError]
        scene.surprises.clear()
        assert saved(scene.update(quote_id, 1)).version == 2


def test_a_full_disk_and_an_absent_database_together_lose_no_row(
    tmp_path: Path, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = {"pool_wait": timedelta(seconds=0.3)}
    with open_scene(tmp_path, target, **waits) as scene:
        quote_id = scene.create()
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", FullDisk(0))
            scene.proxy.refuse()

            assert refused(scene.update(quote_id, 1)) == ("QUOTE_PERSISTENCE_FAILED", False)
        scene.surprises.clear()


def test_a_journal_directory_that_was_removed_is_made_again(tmp_path: Path, target: Target) -> None:
    with open_scene(tmp_path, target) as scene:
        quote_id = scene.create()
        shutil.rmtree(scene.runtime.journal.directory)

        assert saved(scene.update(quote_id, 1)).version == 2

        assert [path.name for path in scene.runtime.journal.directory.iterdir()]


def journals_of(target: Target, data_dir: Path) -> Path:
    """Where the journals of a database's processes lie."""
    ((installation,),) = ask(target, "SELECT id FROM installation")
    return data_dir / "journal" / str(installation)


def left_over(directory: Path, agent_id: UUID, count: int, **changes: Any) -> None:
    """The journal of a process that died with so many rows in its spool."""
    dead = Journal(directory, f"dead-{CLOCK.uuid7()}")
    for _ in range(count):
        attempt_id = CLOCK.uuid7()
        row = AttemptRow(
            agent_id=agent_id,
            started_at=CLOCK.now(),
            id=attempt_id,
            origin_id=0,
            operation=1,
            correlation_id=make_correlation_id(attempt_id),
        )
        dead.spool(msgspec.structs.replace(row, **changes))
    dead.close()


def count_of(target: Target, agent_id: UUID) -> int:
    ((count,),) = ask(target, "SELECT count(*) FROM attempt WHERE agent_id = %s", agent_id)
    assert isinstance(count, int)
    return count


class SlowClock(SystemClock):
    """Every look at it takes a while."""

    passed = 0.0

    def monotonic(self) -> float:
        self.passed += 0.05
        return super().monotonic() + self.passed


def test_the_journal_of_a_long_outage_is_adopted_however_long_that_takes(
    tmp_path: Path, target: Target
) -> None:
    agent_id, count = CLOCK.uuid7(), 700
    left_over(journals_of(target, tmp_path), agent_id, count)

    with open_runtime(Settings(data_dir=tmp_path), target, clock=SlowClock()) as heir:
        assert heir.sweeper.sweep() == (0, 0, count)

    assert list(journals_of(target, tmp_path).iterdir()) == []
    assert count_of(target, agent_id) == count


def test_a_row_that_the_ledger_refuses_holds_up_no_other(tmp_path: Path, target: Target) -> None:
    agent_id, directory = CLOCK.uuid7(), journals_of(target, tmp_path)
    left_over(directory, agent_id, 2)
    left_over(directory, agent_id, 1, outcome=9)  # of a release that had more outcomes
    left_over(directory, agent_id, 3)

    with open_runtime(Settings(data_dir=tmp_path), target) as heir:
        row = AttemptRow(
            agent_id=agent_id,
            started_at=CLOCK.now(),
            id=CLOCK.uuid7(),
            origin_id=0,
            operation=1,
            correlation_id="spooled-after-it",
        )
        heir.journal.spool(msgspec.structs.replace(row, id=CLOCK.uuid7(), outcome=9))
        heir.journal.spool(row)
        with pytest.raises(psycopg.errors.CheckViolation):
            heir.sweeper.sweep()

        assert count_of(target, agent_id) == 6
        assert len(heir.journal.spooled()) == 1
    # The two that hold it are kept, for somebody to look into.
    assert len(list(journals_of(target, tmp_path).iterdir())) == 2


def test_what_one_database_is_owed_is_never_given_to_another(
    tmp_path: Path, own_target: Target, blank: Target
) -> None:
    with open_scene(tmp_path, own_target, pool_wait=timedelta(seconds=0.2)) as scene:
        scene.proxy.refuse()
        spooled = scene.save(Operation.CREATE, body={"adults": 0})
        committed_before = scene.runtime.journal.spooled()
        assert committed_before
        # The process ends with its journal as it is.
        left = {path: path.read_bytes() for path in tmp_path.rglob("*.journal")}
        scene.proxy.accept()
    ((path, content),) = left.items()
    path.write_bytes(content)

    with open_runtime(Settings(data_dir=tmp_path), blank) as other:
        assert sum(other.sweeper.sweep()) == 0

    assert path.exists()
    assert ask(blank, "SELECT count(*) FROM attempt") == [(0,)]
    with open_runtime(Settings(data_dir=tmp_path), own_target) as again:
        assert sum(again.sweeper.sweep()) == 1
    assert not path.exists()
    assert len(rows_of(own_target, spooled.correlation_id)) == 1
