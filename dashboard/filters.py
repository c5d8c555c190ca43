"""What a viewer chooses; it stands in the address, so that a view can be sent to a colleague.

A choice is kept when the viewer goes on to another page that has the same filter.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import streamlit as st

from engine.attempts.outcome import Path
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups.counts import Traffic
from engine.rollups.selection import Filter

# The words on the screen are also what stands in the address.
_REFRESHES: Final = {"2s": 2, "10s": 10, "Paused": None}
WINDOWS: Final = {
    "5 min": timedelta(minutes=5),
    "15 min": timedelta(minutes=15),
    "1 h": timedelta(hours=1),
    "6 h": timedelta(hours=6),
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
    "90 d": timedelta(days=90),
}
_ALL: Final = "All operations"
_OPERATIONS: Final = {operation.name: operation for operation in Operation}
_TRAFFIC: Final = {
    "Live traffic": Traffic.LIVE,
    "Synthetic": Traffic.SYNTHETIC,
    "Drills": Traffic.DRILL,
    "Load tests": Traffic.LOAD,
}
_BOTH: Final = "Both paths"
_ALL_CODES: Final = "All codes"
_CODES: Final = {code.value: code for code in ErrorCode}
_PATHS: Final = {"Hardened": Path.HARDENED, "Legacy": Path.LEGACY}


def refresh() -> int | None:
    """Seconds between refreshes; None while the viewer wants the page to stand still."""
    chosen = st.segmented_control(
        "Refresh",
        list(_REFRESHES),
        default="2s",
        required=True,
        key="refresh",
        bind="query-params",
        persist_state="session",
        label_visibility="collapsed",
    )
    return _REFRESHES[chosen]


def window() -> timedelta:
    """How far back to look."""
    return WINDOWS[_choice("window", list(WINDOWS), width=100)]


def attempts(*, has_path: bool = False) -> Filter:
    """Which attempts to look at.

    Args:
        has_path: whether to offer the choice of a save path, too.
    """
    operation = _OPERATIONS.get(_choice("operation", [_ALL, *_OPERATIONS], width=160))
    traffic = _TRAFFIC[_choice("traffic", list(_TRAFFIC), width=130)]
    path = _PATHS.get(_choice("path", [_BOTH, *_PATHS], width=130)) if has_path else None
    return Filter(operation, traffic, path)


def code() -> ErrorCode | None:
    """The only error code to look at; every one if None."""
    return _CODES.get(_choice("code", [_ALL_CODES, *_CODES], width=270))


def is_code_unread() -> bool:
    """Whether the address names a code that there is not; asked before `code`, which forgets it."""
    said = st.query_params.get("code")
    return said is not None and said not in {_ALL_CODES, *_CODES}


def pick_code(name: str) -> None:
    """Chooses a code for the viewer, in a callback; one that there is not changes nothing."""
    if name in _CODES:
        st.session_state["code"] = name


def _choice(name: str, options: list[str], *, width: int) -> str:
    """One of some words; the first unless the address says another."""
    chosen: str = st.selectbox(
        name.capitalize(),
        options,
        key=name,
        bind="query-params",
        persist_state="session",
        label_visibility="collapsed",
        width=width,
    )
    return chosen
