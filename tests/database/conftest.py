"""Fixtures of the console commands' tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from engine.database.target import Target
from tests.database.alert_scene import Scene, open_scene
from tests.database.databases import cloned, run
from tests.database.shell import Shell, url_of

_EMPTIED: Final = "TRUNCATE alert_outbox, alert_delivery"


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


@pytest.fixture(scope="module")
def outbox_database(server: str, template: str) -> Iterator[Target]:
    """One database for all tests of a module, each of which begins with an empty outbox.

    The audit trail stays: nobody may empty it.
    """
    with cloned(server, template) as made:
        yield made


@pytest.fixture
def scene(outbox_database: Target) -> Iterator[Scene]:
    """An outbox, and channels that do as they are told."""
    run(outbox_database.owner, _EMPTIED)
    with open_scene(outbox_database) as opened:
        yield opened
