"""The local journal: what was begun and not ended is found by whoever comes after."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

import engine
from engine.attempts import journal as journal_module
from engine.attempts.journal import SUFFIX, Begin, Journal, Spooled, left_over_journals
from tests.unit.examples import attempt_row

PROGRAM = Path(__file__).with_name("journal_program.py")
REPOSITORY = Path(engine.__file__).parents[1]
Ids = tuple[list[int], list[int]]


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path, "a-1")
    yield opened
    if opened._file >= 0:
        opened.close()


def adopted(directory: Path) -> list[Ids]:
    """The numbers of begun and of spooled attempts in every left-over journal."""
    found = []
    for left_over in left_over_journals(directory):
        begun, spooled = left_over.read()
        found.append(([row.id.int for row in begun], [row.id.int for row in spooled]))
    return found


def files(directory: Path) -> list[Path]:
    return sorted(directory.iterdir())


def break_writes(
    patch: pytest.MonkeyPatch, journal: Journal, write: Callable[[int, bytes], int]
) -> None:
    """Lets every write to the journal's own file go through a function of the test's."""
    honest, broken = os.write, {journal._file}

    def chosen(file: int, line: bytes) -> int:
        return write(file, line) if file in broken else honest(file, line)

    patch.setattr(os, "write", chosen)


def disk_full(_file: int, _line: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


# Beginning and ending.


def test_a_journal_with_nothing_left_to_do_disappears(journal: Journal, tmp_path: Path) -> None:
    journal.begin(attempt_row(1))
    journal.end(UUID(int=1))

    journal.close()

    assert files(tmp_path) == []


def test_an_attempt_begun_and_not_ended_is_left_over(journal: Journal, tmp_path: Path) -> None:
    row = attempt_row(1, payload_hash=b"\0" * 32, idempotency_key="k")
    journal.begin(row)
    journal.close()

    (left_over,) = left_over_journals(tmp_path)

    assert left_over.read() == ([row], [])


def test_a_spooled_row_takes_the_place_of_what_was_begun(journal: Journal, tmp_path: Path) -> None:
    journal.begin(attempt_row(1))
    journal.spool(attempt_row(1, retries=2))
    journal.close()

    (left_over,) = left_over_journals(tmp_path)

    assert left_over.read() == ([], [attempt_row(1, retries=2)])


def test_what_is_in_the_ledger_is_not_left_over(journal: Journal, tmp_path: Path) -> None:
    for number in range(1, 7):
        journal.begin(attempt_row(number))
    for number in (1, 2, 3):
        journal.spool(attempt_row(number))
    for number in (2, 5):
        journal.end(UUID(int=number))
    journal.close()

    assert adopted(tmp_path) == [([4, 6], [1, 3])]


def test_rows_wait_in_the_spool_in_their_order_until_they_are_ended(journal: Journal) -> None:
    for number in (3, 1, 2):
        journal.begin(attempt_row(number))
        journal.spool(attempt_row(number))
    was_spooling = journal.is_spooling

    journal.end(UUID(int=1))

    assert was_spooling
    assert [row.id.int for row in journal.spooled()] == [3, 2]
    assert journal.open_count == 2


def test_the_spool_is_empty_once_all_is_ended(journal: Journal) -> None:
    journal.begin(attempt_row(1))
    journal.spool(attempt_row(1))

    journal.end(UUID(int=1))

    assert not journal.is_spooling
    assert journal.spooled() == []
    assert journal.open_count == 0


def test_an_attempt_in_doubt_is_begun_until_it_is_ended(journal: Journal, tmp_path: Path) -> None:
    journal.begin(attempt_row(1))
    journal.begin(attempt_row(2))
    journal.doubt(attempt_row(1, retries=1))
    journal.doubt(attempt_row(2))

    journal.end(UUID(int=2))
    journal.close()

    assert journal.in_doubt() == [attempt_row(1, retries=1)]
    assert adopted(tmp_path) == [([1], [])]


def test_ending_what_was_never_begun_does_no_harm(journal: Journal, tmp_path: Path) -> None:
    journal.end(UUID(int=9))
    journal.begin(attempt_row(1))
    journal.close()

    assert adopted(tmp_path) == [([1], [])]


def test_a_journal_is_its_owners_and_in_a_directory_of_its_own_making(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deep" / "below", "a-1")

    (path,) = files(tmp_path / "deep" / "below")
    journal.close()

    assert path.name.endswith(SUFFIX) or not path.exists()


def test_only_its_owner_reads_a_journal(journal: Journal, tmp_path: Path) -> None:
    journal.begin(attempt_row(1))

    (path,) = files(tmp_path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.suffix == SUFFIX


def test_two_journals_never_share_a_name(journal: Journal, tmp_path: Path) -> None:
    journal.begin(attempt_row(1))
    (unfinished,) = [path.with_suffix(".new") for path in files(tmp_path)]
    unfinished.touch()

    with pytest.raises(FileExistsError):
        Journal(tmp_path, "a-1")


def test_a_journal_needs_a_directory_that_can_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match=r"exists|directory"):
        Journal(tmp_path / "file", "a-1")


def test_what_comes_after_closing_is_refused_and_written_nowhere(
    journal: Journal, tmp_path: Path
) -> None:
    journal.begin(attempt_row(1))
    journal.close()
    innocent = tmp_path / "innocent"
    with innocent.open("wb", buffering=0):  # likely under the number that the journal had
        with pytest.raises(OSError, match=r"."):
            journal.begin(attempt_row(2))
        journal.end(UUID(int=1))
        journal.spool(attempt_row(3))
        can_write = journal.is_writable()

    assert innocent.read_bytes() == b""
    assert not can_write


# Torn and foreign lines.


def test_a_torn_tail_is_passed_over_wherever_it_was_torn(tmp_path: Path) -> None:
    path = tmp_path / f"torn{SUFFIX}"
    whole = b"\n" + msgspec.json.encode(Begin(attempt_row(1)))
    tail = b"\n" + msgspec.json.encode(Spooled(attempt_row(2)))

    for cut in range(len(tail)):
        path.write_bytes(whole + tail[:cut])
        assert adopted(tmp_path) == [([1], [])], cut
    path.write_bytes(whole + tail)
    assert adopted(tmp_path) == [([1], [2])]


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0" * 4096,
        b"\xff\xfe\xfd",
        b'{"type":"end","id":"\xff"}',
        msgspec.json.encode(Begin(attempt_row(9))).replace(b"REQ-", b"\xed\xa0\x80"),
        b'{"type":"unheard","id":1}',
        b'{"type":"end","id":"no uuid"}',
        b'{"type":"begin","row":{}}',
        b"[]",
        b"\r",
        b"\n\n\n",
    ],
)
def test_what_nobody_can_read_hides_nothing_of_the_rest(tmp_path: Path, garbage: bytes) -> None:
    first, last = (b"\n" + msgspec.json.encode(Begin(attempt_row(number))) for number in (1, 2))
    (tmp_path / f"odd{SUFFIX}").write_bytes(first + b"\n" + garbage + last)

    assert adopted(tmp_path) == [([1, 2], [])]


# A full disk.


def test_an_attempt_is_not_begun_when_the_disk_takes_only_a_part_of_it(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.begin(attempt_row(1))
    (path,) = files(tmp_path)
    before, honest = path.read_bytes(), os.write

    with monkeypatch.context() as patch:
        break_writes(patch, journal, lambda file, line: honest(file, line[:20]))
        with pytest.raises(OSError, match="full") as caught:
            journal.begin(attempt_row(2))
        is_writable = journal.is_writable()
    after = path.read_bytes()
    journal.begin(attempt_row(3))
    journal.close()

    assert caught.value.errno == errno.ENOSPC
    assert is_writable, "a byte still fits"
    assert after == before + b"\n"
    assert journal.open_count == 2
    assert adopted(tmp_path) == [([1, 3], [])]


def test_a_torn_line_that_cannot_be_taken_back_hides_nothing_after_it(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.begin(attempt_row(1))
    honest = os.write

    with monkeypatch.context() as patch:
        break_writes(patch, journal, lambda file, line: honest(file, line[:20]))
        patch.setattr(os, "ftruncate", disk_full)
        with pytest.raises(OSError, match="No space"):
            journal.begin(attempt_row(2))
    journal.begin(attempt_row(3))
    journal.close()

    assert adopted(tmp_path) == [([1, 3], [])]


def test_an_attempt_is_not_begun_when_the_disk_takes_nothing(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        break_writes(patch, journal, disk_full)
        with pytest.raises(OSError, match="No space"):
            journal.begin(attempt_row(1))
        is_writable = journal.is_writable()
    journal.close()

    assert not is_writable
    assert journal.open_count == 0
    assert files(tmp_path) == []


def test_a_row_that_the_disk_does_not_take_is_spooled_in_memory(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.begin(attempt_row(1))

    with monkeypatch.context() as patch:
        break_writes(patch, journal, disk_full)
        journal.spool(attempt_row(1, retries=2))
    journal.close()

    assert journal.spooled() == [attempt_row(1, retries=2)]
    assert adopted(tmp_path) == [([1], [])]


def test_an_end_that_the_disk_does_not_take_is_one_all_the_same(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.begin(attempt_row(1))
    journal.begin(attempt_row(2))

    with monkeypatch.context() as patch:
        break_writes(patch, journal, disk_full)
        journal.end(UUID(int=1))
    journal.close()

    assert journal.open_count == 1
    assert adopted(tmp_path) == [([1, 2], [])], "found again, and seen to be in the ledger"


def test_a_disk_that_is_really_full_takes_nothing(journal: Journal) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full on this system")
    full = os.open("/dev/full", os.O_WRONLY)
    honest, journal._file = journal._file, full

    with pytest.raises(OSError, match="No space"):
        journal.begin(attempt_row(1))
    is_writable = journal.is_writable()
    journal._file = honest
    os.close(full)

    assert not is_writable
    assert journal.open_count == 0


# Rotation.


def test_a_long_journal_starts_anew_with_what_is_open(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_ROTATE_BYTES", 2_000)
    (first,) = files(tmp_path)
    for number in (28, 29):
        journal.begin(attempt_row(number))
    journal.spool(attempt_row(28, retries=5))
    for number in range(1, 28):
        journal.begin(attempt_row(number))
        journal.end(UUID(int=number))

    (last,) = files(tmp_path)
    size, while_it_lives = last.stat().st_size, adopted(tmp_path)
    journal.close()

    assert last != first
    assert size < 4_000
    assert while_it_lives == []
    assert adopted(tmp_path) == [([29], [28])]


def test_a_journal_stays_short_however_many_attempts_come_and_go(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_ROTATE_BYTES", 5_000)
    sizes = []

    for number in range(1, 500):
        journal.begin(attempt_row(number))
        journal.end(UUID(int=number))
        sizes += [path.stat().st_size for path in files(tmp_path)]

    assert len(sizes) == 499
    assert max(sizes) < 7_000


def test_a_long_spool_is_not_rewritten_for_every_row_that_leaves_it(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_ROTATE_BYTES", 10_000)
    for number in range(1, 301):
        journal.begin(attempt_row(number))
        journal.spool(attempt_row(number))
    (path,) = files(tmp_path)
    waiting, written, honest = path.stat().st_size, [], os.write

    def counted(file: int, line: bytes) -> int:
        written.append(len(line))
        return honest(file, line)

    monkeypatch.setattr(os, "write", counted)
    for number in range(1, 301):
        journal.end(UUID(int=number))

    assert not journal.is_spooling
    assert sum(written) < 3 * waiting


def test_a_rotation_that_fails_leaves_the_journal_as_it_was(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.begin(attempt_row(1))
    journal.begin(attempt_row(2))
    (path,) = files(tmp_path)
    own, honest = journal._file, os.write

    def only_the_old(file: int, line: bytes) -> int:
        return honest(file, line) if file == own else disk_full(file, line)

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "_ROTATE_BYTES", 10)
        patch.setattr(os, "write", only_the_old)
        journal.end(UUID(int=2))
    left = files(tmp_path)
    journal.begin(attempt_row(3))
    journal.close()

    assert left == [path]
    assert adopted(tmp_path) == [([1, 3], [])]


def test_a_rotation_that_cannot_make_its_file_leaves_the_journal_as_it_was(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.begin(attempt_row(1))
    journal.begin(attempt_row(2))
    (path,) = files(tmp_path)

    def no_more_files(*_: Any) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "_ROTATE_BYTES", 10)
        patch.setattr(os, "open", no_more_files)
        journal.end(UUID(int=2))
    left = files(tmp_path)
    journal.begin(attempt_row(3))
    journal.close()

    assert left == [path]
    assert adopted(tmp_path) == [([1, 3], [])]


@pytest.mark.parametrize("is_directory_gone", [False, True])
def test_a_journal_whose_file_was_removed_starts_anew_with_what_is_open(
    tmp_path: Path, *, is_directory_gone: bool
) -> None:
    directory = tmp_path / "journal"
    journal = Journal(directory, "a-1")
    journal.begin(attempt_row(1))
    journal.begin(attempt_row(2))
    journal.spool(attempt_row(2))
    (path,) = files(directory)
    path.unlink()
    if is_directory_gone:
        directory.rmdir()

    journal.begin(attempt_row(3))
    journal.close()

    assert adopted(directory) == [([1, 3], [2])]


@pytest.mark.parametrize(("copied", "half_copy"), [(0, ([], [])), (1, ([2], [])), (2, ([2], [1]))])
def test_a_kill_while_rotating_leaves_no_spooled_row_without_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copied: int, half_copy: Ids
) -> None:
    journal, honest = Journal(tmp_path, "a-1"), os.write
    written: list[bytes] = []
    for number in (1, 2, 3, 4):
        journal.begin(attempt_row(number))
    for number in (1, 3):
        journal.spool(attempt_row(number, retries=5))
    old_file = journal._file

    def killed(file: int, line: bytes) -> int:
        if file != old_file:
            if len(written) == copied:
                raise KeyboardInterrupt
            written.append(line)
        return honest(file, line)

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "_ROTATE_BYTES", 10)
        patch.setattr(os, "write", killed)
        with pytest.raises(KeyboardInterrupt):
            journal.end(UUID(int=4))
    os.close(old_file)
    os.close(journal._file)

    assert adopted(tmp_path) == [([2], [1, 3]), half_copy]


@pytest.mark.parametrize("newest", [9, 10, 11, 100, 12345678901])
def test_of_two_generations_of_a_journal_the_older_is_found_first(
    tmp_path: Path, newest: int
) -> None:
    for generation in (newest, newest - 1):
        (tmp_path / f"a.1-b.{generation}{SUFFIX}").write_bytes(b"")

    found = [left_over.path for left_over in left_over_journals(tmp_path)]

    assert [path.suffixes[-2] for path in found] == [f".{newest - 1}", f".{newest}"]


# Those who come after.


def test_a_living_process_keeps_its_journal(journal: Journal, tmp_path: Path) -> None:
    journal.begin(attempt_row(1))

    assert adopted(tmp_path) == []


def test_one_finder_at_a_time_has_a_left_over_journal(journal: Journal, tmp_path: Path) -> None:
    journal.begin(attempt_row(1))
    journal.close()

    beside = [adopted(tmp_path) for _ in left_over_journals(tmp_path)]
    afterwards = adopted(tmp_path)

    assert beside == [[]]
    assert afterwards == [([1], [])]


def test_a_journal_that_was_dealt_with_is_gone(journal: Journal, tmp_path: Path) -> None:
    journal.begin(attempt_row(1))
    journal.close()

    for left_over in left_over_journals(tmp_path):
        left_over.remove()
        left_over.remove()

    assert files(tmp_path) == []


def test_a_journal_that_another_finder_dealt_with_meanwhile_is_passed_over(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.begin(attempt_row(1))
    journal.close()
    (path,) = files(tmp_path)
    honest = fcntl.flock

    def too_late(file: int, how: int) -> None:
        path.unlink()
        honest(file, how)

    monkeypatch.setattr(fcntl, "flock", too_late)

    assert adopted(tmp_path) == []


def test_a_journal_that_vanishes_before_it_is_opened_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / f"vanished{SUFFIX}").symlink_to(tmp_path / "nowhere")

    assert adopted(tmp_path) == []


def test_every_left_over_journal_is_found_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b-2", "a-1"):
        journal = Journal(tmp_path, name)
        journal.begin(attempt_row(ord(name[0])))
        journal.close()
    (tmp_path / "half-made.new").write_bytes(b"x")
    (tmp_path / "readme.txt").write_bytes(b"x")

    assert adopted(tmp_path) == [([ord("a")], []), ([ord("b")], [])]
    assert adopted(tmp_path / "nowhere") == []


def test_a_killed_process_leaves_its_attempts_to_others(tmp_path: Path) -> None:
    process = subprocess.Popen(  # noqa: S603  # our own program
        [sys.executable, "-W", "error", PROGRAM, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    with process:
        assert process.stdout is not None
        said = process.stdout.readline()
        while_it_lives = adopted(tmp_path)
        process.kill()
        process.wait()
        after_its_death = adopted(tmp_path)

    assert said == "ready\n"
    assert while_it_lives == []
    assert after_its_death == [([3], [2])]


def test_threads_write_whole_lines(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_ROTATE_BYTES", 20_000)
    start, count = threading.Barrier(4), 150

    def work(first: int) -> None:
        start.wait()
        for number in range(first, first + count):
            journal.begin(attempt_row(number))
            if number % 3 == 0:
                journal.spool(attempt_row(number))
            elif number % 3 == 1:
                journal.end(UUID(int=number))

    threads = [threading.Thread(target=work, args=[1000 * (place + 1)]) for place in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close()
    ((begun, spooled),) = adopted(tmp_path)

    numbers = [1000 * (place + 1) + step for place in range(4) for step in range(count)]
    assert sorted(begun) == [number for number in numbers if number % 3 == 2]
    assert sorted(spooled) == [number for number in numbers if number % 3 == 0]
