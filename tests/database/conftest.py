"""Fixtures of the console commands' tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.database.target import Target
from tests.database.shell import Shell, url_of


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Shell]:
    """A shell without a database of its own yet."""
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setenv("SAVEGUARD_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    yield Shell(monkeypatch, capsys)
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def saveguard(shell: Shell, target: Target) -> Shell:
    """A shell whose DATABASE_URL names a migrated database of the test's own."""
    shell.patch.setenv("DATABASE_URL", url_of(target.app))
    shell.patch.setenv("SAVEGUARD_OWNER_DATABASE_URL", url_of(target.owner))
    return shell
