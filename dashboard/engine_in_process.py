"""The engine that this process's pages read from.

Streamlit runs page scripts itself and hands them nothing; the command that starts the server
leaves the open engine here first.
"""

from __future__ import annotations

from engine.runtime import Runtime

_runtime: Runtime | None = None


def provide(runtime: Runtime | None) -> None:
    """Leaves the open engine for the pages; None takes it away again."""
    global _runtime  # noqa: PLW0603  # the one place that remembers it
    _runtime = runtime


def is_open() -> bool:
    """Whether pages have an engine to read from."""
    return _runtime is not None


def runtime() -> Runtime:
    """The open engine.

    Raises:
        RuntimeError: a page runs outside of `saveguard up` or `saveguard dashboard`.
    """
    if _runtime is None:
        raise RuntimeError("start the dashboard with: saveguard up")
    return _runtime
