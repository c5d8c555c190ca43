"""A program with a journal, for a test to kill.

It begins three attempts, ends the first, spools the second, and leaves when its input ends.
"""

import sys
from pathlib import Path
from uuid import UUID

from engine.attempts.journal import Journal
from tests.unit.examples import attempt_row


def main(directory: str) -> None:
    journal = Journal(Path(directory), "killed")
    for number in (1, 2, 3):
        journal.begin(attempt_row(number))
    journal.end(UUID(int=1))
    journal.spool(attempt_row(2, retries=9))
    print("ready", flush=True)  # noqa: T201  # told to the test
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
