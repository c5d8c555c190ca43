"""What is in the repository is what anyone who clones it needs, and nothing of one desk."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

_TOP = Path(__file__).resolve().parent.parent.parent
_LINK_MODE = "120000"


@pytest.mark.skipif(not (_TOP / ".git").exists(), reason="an unpacked release has no index")
def test_the_repository_holds_no_symbolic_link() -> None:
    """One that led to an environment made elsewhere would keep a clone from making its own."""
    listed = subprocess.run(  # noqa: S603  # nothing in it comes from outside
        # Whichever git is there; the checkout may be another user's.
        ["git", "-c", "safe.directory=*", "-C", str(_TOP), "ls-files", "--stage"],  # noqa: S607
        check=True,
        capture_output=True,
        text=True,
    ).stdout

    assert listed
    assert [each for each in listed.splitlines() if each.startswith(_LINK_MODE)] == []
