"""`make test`: every test, on every core, and a loud word about what could not run.

Arguments are handed to pytest: `python -m tests tests/unit -k pricing`. With nothing but
`--junitxml=FILE` every test runs, and the file is what `saveguard readiness import` takes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest


class Skipped:
    """Collects what did not run and why, to say it last, where it is read."""

    def __init__(self) -> None:
        self._reasons: dict[str, int] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Counts a skip under its reason."""
        if report.skipped and isinstance(report.longrepr, tuple):
            reason = str(report.longrepr[2]).removeprefix("Skipped: ")
            self._reasons[reason] = self._reasons.get(reason, 0) + 1

    def say(self) -> None:
        """Prints what was not tested on this machine."""
        for reason, count in sorted(self._reasons.items()):
            sys.stdout.write(f"NOT TESTED HERE: {count} test(s): {reason}\n")


def main() -> int:
    """Runs the tests from the checkout's top, so that paths mean the same everywhere."""
    os.chdir(Path(__file__).resolve().parent.parent)
    skipped = Skipped()
    given = sys.argv[1:]
    if all(each.startswith("--junitxml=") for each in given):
        # In the order of `tests/conftest.py`, not by how many tests a file has.
        given += ["-n", str(os.cpu_count() or 2), "--dist", "loadfile", "--no-loadscope-reorder"]
        given.append("-q")
    code = pytest.main(["-m", "not slow", *given], plugins=[skipped])
    skipped.say()
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
