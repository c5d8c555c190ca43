"""Log files: whole lines, a new one in time, what is too old or too many goes, nothing fails."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.clock import FrozenClock
from engine.log_files import Keeping, LogFile, is_in_use, listed

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEEPING = Keeping(file_bytes=100, files=3, age=timedelta(days=30))
LINE = b'{"event": "some"}'


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(NOW)


def opened(directory: Path, clock: FrozenClock, writer: str = "here-1") -> LogFile:
    return LogFile(directory / "logs", "attempts", writer, KEEPING, clock)


def left(directory: Path, name: str, age: timedelta) -> Path:
    """A file that nobody writes to any more."""
    logs = directory / "logs"
    logs.mkdir(exist_ok=True)
    path = logs / name
    path.write_bytes(LINE + b"\n")
    at = (NOW - age).timestamp()
    os.utime(path, (at, at))
    return path


def test_nothing_is_made_before_there_is_a_line(tmp_path: Path, clock: FrozenClock) -> None:
    opened(tmp_path, clock).close()

    assert list(tmp_path.iterdir()) == []


def test_a_file_is_for_its_owner_and_readable_by_its_group_whatever_the_mask(
    tmp_path: Path, clock: FrozenClock
) -> None:
    before = os.umask(0o077)
    try:
        assert opened(tmp_path, clock).append(LINE) is None
    finally:
        os.umask(before)

    (file,) = listed(tmp_path / "logs")
    assert file.path.stat().st_mode & 0o777 == 0o640
    assert file.path.name == "attempts.here-1.0.jsonl"
    assert file.writer == "here-1"


def test_a_full_file_is_followed_by_a_new_one_and_the_oldest_goes(
    tmp_path: Path, clock: FrozenClock
) -> None:
    log = opened(tmp_path, clock)
    for number in range(40):
        assert log.append(b"%017d" % number) is None
        for each in listed(tmp_path / "logs"):
            os.utime(each.path, (NOW.timestamp() + number,) * 2) if is_in_use(each.path) else None

    files = listed(tmp_path / "logs")
    assert len(files) == KEEPING.files
    lines = [int(line) for each in reversed(files) for line in each.path.read_bytes().split()]
    assert lines == list(range(lines[0], 40))
    assert all(each.size <= KEEPING.file_bytes + len(LINE) + 1 for each in files)
    assert [is_in_use(each.path) for each in files] == [True, False, False]


def test_what_is_too_old_goes_unless_somebody_writes_to_it(
    tmp_path: Path, clock: FrozenClock
) -> None:
    living, tidying = opened(tmp_path, clock, "living-1"), opened(tmp_path, clock, "here-1")
    living.append(LINE)
    (in_use,) = listed(tmp_path / "logs")
    os.utime(in_use.path, (0, 0))
    old = left(tmp_path, "attempts.dead-1.0.jsonl", timedelta(days=31))
    young = left(tmp_path, "attempts.dead-2.0.jsonl", timedelta(days=29))
    other_kind = left(tmp_path, "process.dead-1.0.jsonl", timedelta(days=31))

    assert tidying.tidy() == 1

    assert not old.exists()
    assert all(path.exists() for path in (in_use.path, young, other_kind))


def test_a_file_that_was_removed_is_made_again(tmp_path: Path, clock: FrozenClock) -> None:
    log = opened(tmp_path, clock)
    log.append(b"first")
    listed(tmp_path / "logs")[0].path.unlink()

    assert log.append(b"second") is None

    (file,) = listed(tmp_path / "logs")
    assert file.path.read_bytes() == b"second\n"


def test_a_directory_that_is_away_is_asked_for_again_a_moment_later(
    tmp_path: Path, clock: FrozenClock
) -> None:
    log = opened(tmp_path, clock)
    (tmp_path / "logs").write_text("in the way")
    assert log.append(LINE) == "EEXIST"
    (tmp_path / "logs").unlink()

    assert log.append(LINE) == "EAGAIN"
    clock.advance(timedelta(seconds=1))
    assert log.append(LINE) is None


def test_half_a_line_that_cannot_be_cut_off_again_spoils_no_other(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path, clock)
    log.append(b"first")
    write = os.write

    def no_truncation(_file: int, _size: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, line: write(file, line[:3]))
        patch.setattr(os, "ftruncate", no_truncation)
        assert log.append(b"second") == "EIO"
    assert log.append(b"third") is None

    (file,) = listed(tmp_path / "logs")
    assert file.path.read_bytes() == b"first\nsec\nthird\n"


def test_half_a_line_that_stayed_costs_no_later_line_its_end(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path, clock)
    write = os.write

    def no_truncation(_file: int, _size: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, line: write(file, line[:3]))
        patch.setattr(os, "ftruncate", no_truncation)
        log.append(b"first")
    assert log.append(b"second") is None
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, line: write(file, line[:3]))
        assert log.append(b"third") == "ENOSPC"

    (file,) = listed(tmp_path / "logs")
    assert file.path.read_bytes() == b"fir\nsecond\n"


def test_nobody_finds_a_file_before_it_is_locked(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, lock = opened(tmp_path, clock), fcntl.flock
    seen: list[str] = []

    def looked_at(file: int, operation: int) -> None:
        seen.extend(each.path.name for each in listed(tmp_path / "logs"))
        lock(file, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", looked_at)
        assert log.append(b"x" * KEEPING.file_bytes) is None
        assert log.append(LINE) is None

    assert seen == ["attempts.here-1.0.jsonl"]  # the one before, when the second was made


def test_a_file_that_cannot_be_locked_is_not_left_behind(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(_file: int, _operation: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)

    assert opened(tmp_path, clock).append(LINE) == "ENOLCK"
    assert list((tmp_path / "logs").iterdir()) == []


def test_a_file_of_which_nobody_can_tell_is_taken_to_be_in_use(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = left(tmp_path, "attempts.another-1.0.jsonl", timedelta(days=31))

    def not_ours(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", not_ours)
        assert is_in_use(old)
        assert opened(tmp_path, clock).tidy() == 0

    assert old.exists()
    assert not is_in_use(tmp_path / "logs" / "gone.jsonl")


def test_a_link_and_a_pipe_are_no_log_files(tmp_path: Path) -> None:
    path = left(tmp_path, "attempts.dead-1.0.jsonl", timedelta(days=1))
    (path.parent / "attempts.dead-2.0.jsonl").symlink_to(path)
    os.mkfifo(path.parent / "attempts.dead-3.0.jsonl")

    assert [each.path for each in listed(path.parent)] == [path]


def test_a_place_for_the_next_file_that_is_gone_loses_no_line(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = opened(tmp_path, clock)
    log.append(b"x" * KEEPING.file_bytes)

    def no_room(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", no_room)
        assert log.append(b"second") is None

    (file,) = listed(tmp_path / "logs")
    assert file.path.read_bytes().endswith(b"x\nsecond\n")


def test_whoever_comes_after_the_end_is_told_so(tmp_path: Path, clock: FrozenClock) -> None:
    log = opened(tmp_path, clock)
    log.append(LINE)
    log.close()

    assert log.append(LINE) == "EBADF"
