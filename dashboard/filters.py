"""What a viewer chooses; it stands in the address, so that a view can be sent to a colleague."""

from __future__ import annotations

from typing import Final

import streamlit as st

from engine.quotes.lifecycle import Operation

# The words on the screen are also what stands in the address.
_REFRESHES: Final = {"2s": 2, "10s": 10, "Paused": None}
_ALL: Final = "All operations"
_OPERATIONS: Final = {operation.name: operation for operation in Operation}


def refresh() -> int | None:
    """Seconds between refreshes; None while the viewer wants the page to stand still."""
    chosen = st.segmented_control(
        "Refresh",
        list(_REFRESHES),
        default="2s",
        required=True,
        key="refresh",
        bind="query-params",
        label_visibility="collapsed",
    )
    return _REFRESHES[chosen]


def operation() -> Operation | None:
    """The one operation to look at; None for all."""
    chosen = st.selectbox(
        "Operation",
        [_ALL, *_OPERATIONS],
        key="operation",
        bind="query-params",
        label_visibility="collapsed",
        width=180,
    )
    return _OPERATIONS.get(chosen)
