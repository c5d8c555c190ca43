"""Logging never stands in the way of what it tells about."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from io import StringIO, TextIOWrapper
from pathlib import Path
from typing import Literal

import pytest
import structlog

from engine.clock import SystemClock
from engine.log_files import Keeping, LogFile
from engine.logs import configure_logs, report


class GoneReader(StringIO):
    """A pipe whose other end was closed."""

    def write(self, _text: str) -> int:
        raise BrokenPipeError


def closed() -> StringIO:
    stream = StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("log_format", ["json", "console"])
@pytest.mark.parametrize("stream", [GoneReader(), closed()], ids=["no reader", "closed"])
def test_a_line_that_cannot_be_written_is_lost_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, log_format: str, stream: StringIO
) -> None:
    configure_logs(log_format)  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "stderr", stream)

    structlog.get_logger().warning("job_failed", job="sweep")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_standard_error_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    configure_logs("json")
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr(sys, "stderr", TextIOWrapper(full, write_through=True))

        structlog.get_logger().warning("job_failed", job="sweep")


def test_a_line_is_json_with_its_level_and_instant(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json")

    structlog.get_logger().warning("job_failed", job="sweep")

    line = json.loads(capsys.readouterr().err)
    assert {"event": "job_failed", "job": "sweep", "level": "warning"}.items() <= line.items()
    assert line["timestamp"].endswith("Z")


# --- in files, beside ---


def in_files(directory: Path) -> LogFile:
    keeping = Keeping(file_bytes=1_000_000, files=3, age=timedelta(days=1))
    return LogFile(directory, "process", "here-1", keeping, SystemClock())


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_line_goes_to_a_file_too_as_json_whatever_a_person_watches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], log_format: Literal["json", "console"]
) -> None:
    configure_logs(log_format, in_files(tmp_path))

    report("REQ-1", ValueError("a message that may quote a value"))

    assert "unexpected_error" in capsys.readouterr().err
    (path,) = tmp_path.iterdir()
    line = json.loads(path.read_text())
    assert (line["correlation_id"], line["error"]) == ("REQ-1", "ValueError")
    assert "a message" not in path.read_text()


def test_files_that_cannot_be_written_are_told_of_once_and_stop_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("in the way")
    configure_logs("json", in_files(tmp_path / "logs"))

    for _ in range(3):
        structlog.get_logger().warning("job_failed", job="sweep", odd="\udc80")

    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert events == ["log_lines_lost", "job_failed", "job_failed", "job_failed"]
