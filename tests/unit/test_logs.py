"""Logging never stands in the way of what it tells about."""

from __future__ import annotations

import json
import sys
from io import StringIO, TextIOWrapper
from pathlib import Path

import pytest
import structlog

from engine.logs import configure_logs


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
