"""How long somebody has to wait, in the words of who waits."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

# A minute that has only begun is told as over: who comes back then is let try.
_REST: Final = timedelta(seconds=59)


def try_again(now: datetime, wait_s: float) -> str:
    """Try again after 05:53 UTC.

    Args:
        now: the present instant, in UTC.
        wait_s: seconds from it.
    """
    return f"Try again after {now + timedelta(seconds=wait_s) + _REST:%H:%M} UTC."
