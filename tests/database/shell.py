"""An operator's shell for the tests of the console commands."""

from __future__ import annotations

import json
import sys
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import pytest
from psycopg.conninfo import conninfo_to_dict

from engine.cli.main import cli, run
from tests.database.databases import CANARY


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def facts(self) -> Any:
        """What it printed as JSON; nothing else may be there."""
        return json.loads(self.out)


class Shell:
    """An operator's shell: an environment, and commands run in it."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.patch = patch
        self._capture = capture

    def __call__(self, *argv: str) -> Ended:
        """Runs `saveguard` in this process, the way the console script does."""
        self.patch.setattr(sys, "argv", ["saveguard", *argv])
        self._capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            run(cli)
        out, err = self._capture.readouterr()
        code = ended.value.code
        return Ended(code if isinstance(code, int) else int(code is not None), out, err)

    def refused(self, *argv: str) -> str:
        """Runs a command that cannot do its work; returns the one line that says why."""
        ended = self(*argv)
        assert (ended.code, ended.out) == (2, "")
        assert CANARY not in ended.err
        # What serves says first with which database.
        (error,) = [line for line in ended.err.splitlines() if " starts with " not in line]
        return one_line(error)


def one_line(err: str) -> str:
    """What an operator reads: one line, no traceback, no secret."""
    (line,) = err.splitlines()
    assert line.startswith("saveguard: ")
    assert CANARY not in line
    assert "sgk_" not in line
    for internal in ("Traceback", "Error(", "psycopg", "sqlalchemy", "INSERT", "SELECT", "DETAIL"):
        assert internal not in line
    return line


def url_of(conninfo: str, **more: str) -> str:
    """A conninfo as the URL that an operator would set; the password is a secret."""
    found = {name: str(part) for name, part in conninfo_to_dict(conninfo).items()}
    given = {"password": CANARY} | found | more
    database = given.pop("dbname")
    return f"postgresql:///{database}?{urlencode(given, quote_via=quote)}"
