"""Serving until told to stop: what is closed is closed whole, and the words come last."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import pytest

from engine.cli.stopping import until_stopped
from engine.settings import Settings


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_sigterm_does_not_interrupt_what_is_being_closed(
    number: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    said_when_closed = ""

    with until_stopped("Engine", Settings(data_dir=tmp_path)):
        try:
            signal.raise_signal(number)
        finally:
            signal.raise_signal(signal.SIGTERM)
            said_when_closed = capsys.readouterr().err

    assert said_when_closed == (
        f"Engine starts with the database in {tmp_path}. Ctrl-C stops it.\n"
    )
    assert capsys.readouterr().err == "Engine stopped.\n"
    assert {each: signal.getsignal(each) for each in before} == before


def test_what_ends_by_itself_was_not_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with until_stopped("Engine", Settings(data_dir=tmp_path)):
        pass

    assert "stopped" not in capsys.readouterr().err


def test_a_part_of_something_larger_says_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with until_stopped("Engine", Settings(data_dir=tmp_path), is_quiet=True):
        signal.raise_signal(signal.SIGINT)

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_while_something_is_collected_is_not_lost(
    number: signal.Signals, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Collected:
        def __del__(self) -> None:
            signal.raise_signal(number)

    hook, alarm, went_on = sys.unraisablehook, signal.getsignal(signal.SIGALRM), False
    with until_stopped("Engine", Settings(data_dir=tmp_path)):
        Collected()
        threading.Event().wait(10)
        went_on = True

    assert not went_on
    assert capsys.readouterr().err.endswith("Ctrl-C stops it.\nEngine stopped.\n")
    assert (sys.unraisablehook, signal.getsignal(signal.SIGALRM)) == (hook, alarm)
