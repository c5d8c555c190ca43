"""The journal against a dictionary: whatever happens to a process, its successor finds the rest."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from engine.attempts import journal as journal_module
from engine.attempts.journal import SUFFIX, Journal, left_over_journals
from engine.attempts.ledger import AttemptRow
from tests.properties.strategies import TRIED
from tests.unit.examples import attempt_row

_ROTATE_BYTES = 3_000  # after five or six attempts


class JournalMachine(RuleBasedStateMachine):
    """One process after the other keeps a journal in one directory."""

    begun: Bundle[int] = Bundle("begun")
    spooled: Bundle[int] = Bundle("spooled")

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory(prefix="saveguard-journal-")
        self.directory = Path(self.home.name)
        self.rotation = mock.patch.object(journal_module, "_ROTATE_BYTES", _ROTATE_BYTES)
        self.rotation.start()
        self.count = 0
        self.processes = 0
        # What an adopter must find: number → row, of this process and of those before it.
        self.open: dict[int, AttemptRow] = {}
        self.waiting: dict[int, AttemptRow] = {}
        self.old_open: dict[int, AttemptRow] = {}
        self.old_waiting: dict[int, AttemptRow] = {}
        # Ended in memory, yet the disk did not take it: an adopter may find these too.
        self.unheard: set[int] = set()

    def teardown(self) -> None:
        self.journal.close()
        self.rotation.stop()
        self.home.cleanup()

    @initialize()
    def starts(self) -> None:
        self.processes += 1
        self.journal = Journal(self.directory, f"process-{self.processes:04}")

    @rule(target=begun, how_many=st.integers(1, 4))
    def begins(self, how_many: int) -> Any:
        numbers = range(self.count + 1, self.count + how_many + 1)
        self.count += how_many
        for number in numbers:
            self.open[number] = attempt_row(number)
            self.journal.begin(self.open[number])
        return multiple(*numbers)

    @rule()
    def finds_the_disk_full_when_it_begins(self) -> None:
        self.count += 1
        full = pytest.raises(OSError, match="full")
        with mock.patch.object(os, "write", _half_a_line), full:
            self.journal.begin(attempt_row(self.count))

    @rule(target=spooled, number=consumes(begun), retries=st.integers(1, 9))
    def spools(self, number: int, retries: int) -> int:
        row = attempt_row(number, retries=retries)
        self.journal.spool(row)
        self._moved(number, row)
        return number

    @rule(number=consumes(begun))
    def ends(self, number: int) -> None:
        self.journal.end(UUID(int=number))
        self._forgotten(number)

    @rule(number=consumes(spooled))
    def ends_what_was_spooled(self, number: int) -> None:
        self.journal.end(UUID(int=number))
        self._forgotten(number)

    @rule(number=consumes(begun))
    def ends_while_the_disk_is_full(self, number: int) -> None:
        with mock.patch.object(os, "write", _nothing):
            self.journal.end(UUID(int=number))
        if number in self.open:
            self.unheard.add(number)
        self._forgotten(number)

    @rule(torn=st.binary(max_size=30))
    def dies_and_another_starts(self, torn: bytes) -> None:
        os.write(self.journal._file, b'\n{"type":"begin","row":{' + torn)
        os.close(self.journal._file)
        self.old_open |= self.open
        self.old_waiting |= self.waiting
        self.open, self.waiting = {}, {}
        self.starts()

    @rule()
    def adopts(self) -> None:
        found_open: dict[int, AttemptRow] = {}
        found_waiting: dict[int, AttemptRow] = {}
        for left_over in left_over_journals(self.directory):
            begun, spooled = left_over.read()
            found_open |= {row.id.int: row for row in begun}
            found_waiting |= {row.id.int: row for row in spooled}
            left_over.remove()
        for number in self.unheard - self.open.keys():
            found_open.pop(number, None)
        assert found_open == self.old_open
        assert found_waiting == self.old_waiting
        self.old_open, self.old_waiting = {}, {}

    @invariant()
    def remembers_what_waits(self) -> None:
        if self.processes:
            rows = {row.id.int: row for row in self.journal.spooled()}
            assert rows == self.waiting
            assert self.journal.is_spooling is bool(self.waiting)

    @invariant()
    def holds_one_file(self) -> None:
        if self.processes:
            name = f"process-{self.processes:04}."
            own = [path for path in self.directory.iterdir() if path.name.startswith(name)]
            assert [path.suffix for path in own] == [SUFFIX]

    def _moved(self, number: int, row: AttemptRow) -> None:
        self.open.pop(number, None)
        self.waiting[number] = row

    def _forgotten(self, number: int) -> None:
        self.open.pop(number, None)
        self.waiting.pop(number, None)


_honest_write = os.write


def _half_a_line(file: int, line: bytes) -> int:
    return _honest_write(file, line[: len(line) // 2])


def _nothing(_file: int, _line: bytes) -> int:
    raise OSError(errno.ENOSPC, "nothing fits")


TestJournal = JournalMachine.TestCase
TestJournal.settings = TRIED
