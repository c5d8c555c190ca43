"""The process that looks, with probes that end it or never end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import MappingProxyType
from typing import Never

from engine.readiness import looker, running
from engine.readiness.probes.probe import Question
from engine.readiness.probes.registry import PROBES


def die(_question: Question) -> Never:
    """Ends as a process does that has taken too much memory."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def hang(_question: Question) -> Never:
    """Never ends."""
    threading.Event().wait()
    raise AssertionError


if __name__ == "__main__":
    changed = {"mig.columns": die, "mig.index": hang}
    vars(running)["PROBES"] = MappingProxyType({**PROBES, **changed})
    sys.exit(looker.main())
