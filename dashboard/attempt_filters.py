"""The filters of the page of attempts: they show what its address says, and rewrite it.

The address is the only place where the choice is kept. It names instants, so whoever opens it later
sees the same attempts; "the last hour" is looked up once, when it is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from dashboard import addresses, engine_in_process, filters
from engine.attempts.outcome import Path
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.rollups import parts
from engine.rollups.grid import window_until
from engine.rollups.selection import Filter, Selection
from engine.slo.objectives import PARTS

_AS_CHOSEN: Final = "From … until"
_LAST: Final[Mapping[str, str]] = {f"Last {name}": name for name in filters.WINDOWS}
_FIRST: Final = "5 min"
_NAMES: Final = {
    "only_operation": {"All operations": "", **{each.name: each.name for each in Operation}},
    "only_traffic": {
        "Live traffic": "live",
        "Synthetic": "synthetic",
        "Drills": "drill",
        "Load tests": "load",
        "Before an agent was known": "unknown_caller",
        "All traffic": "any",
    },
    "only_path": {"Both paths": "", **{each.name.capitalize(): each.name.lower() for each in Path}},
    "only_part": {
        part.title[0].upper() + part.title[1:]: "" if part is parts.ALL else key
        for key, part in PARTS.items()
    },
    "only_code": {"Any code or none": "", **{each.value: each.value for each in ErrorCode}},
}
_WIDTHS: Final = {
    "only_operation": 160,
    "only_traffic": 160,
    "only_path": 130,
    "only_part": 320,
    "only_code": 260,
}
_WITHOUT_WIDGET: Final = ("at_least_us", "below_us", "only_changed")
_LABELS: Final = {
    "only_operation": "Operation",
    "only_traffic": "Traffic",
    "only_path": "Save path",
    "only_part": "Part",
    "only_code": "Code",
}


def open_on_the_newest() -> None:
    """Gives an address that names no window that of the last minutes; what else it says stays."""
    said = st.query_params.to_dict()
    if "from" in said or "until" in said:
        return
    st.query_params.from_dict(said | _last(_FIRST))


def draw(selection: Selection | None) -> None:
    """The filters.

    Args:
        selection: that of the address; None if its window could not be read.
    """
    said = _said(selection)
    with st.container(horizontal=True, vertical_alignment="bottom", key="attempt-filters"):
        _put("window", _AS_CHOSEN)
        st.selectbox(
            "Window",
            [_AS_CHOSEN, *_LAST],
            key=_key("window"),
            on_change=_choose_window,
            width=140,
        )
        for name, label in (("from", "From"), ("until", "Until, not included")):
            _put(name, said.get(name, ""))
            st.text_input(label, key=_key(name), on_change=_rewrite, width=200)
        for name, options in _NAMES.items():
            chosen = {value: words for words, value in options.items()}
            _put(name, chosen[said.get(name, "")])
            st.selectbox(
                _LABELS[name],
                list(options),
                key=_key(name),
                on_change=_rewrite,
                width=_WIDTHS[name],
            )
        if any(name in said for name in _WITHOUT_WIDGET):
            st.button("Any duration, any change", icon=":material/filter_alt_off:", on_click=_widen)


def _said(selection: Selection | None) -> dict[str, str]:
    """What the widgets show; a window that could not be read as it was written."""
    if selection is not None:
        return addresses.attempts(selection)
    said = st.query_params.to_dict()
    others = addresses.read_attempts(said | _last(_FIRST)).selection
    written = {name: said.get(name, "") for name in ("from", "until")}
    return written if others is None else addresses.attempts(others) | written


def _key(name: str) -> str:
    return f"attempts_{name}"


def _put(name: str, value: str) -> None:
    """Makes a widget show what the address says, whatever it showed before."""
    st.session_state[_key(name)] = value


def _choose_window() -> None:
    chosen = _LAST.get(st.session_state[_key("window")])
    if chosen is not None:
        _rewrite(**_last(chosen))


def _widen() -> None:
    """Drops what no widget shows."""
    said = st.query_params.to_dict()
    st.query_params.from_dict(
        {name: value for name, value in said.items() if name not in _WITHOUT_WIDGET}
    )


def _last(name: str) -> dict[str, str]:
    """The window of some length that ends now, as parameters."""
    now = engine_in_process.runtime().clock.now()
    said = addresses.attempts(Selection(window_until(now, filters.WINDOWS[name]), Filter()))
    return {name: said[name] for name in ("from", "until")}


def _rewrite(**window: str) -> None:
    """Puts what the widgets show into the address; the first page is shown of it."""
    state: Any = st.session_state
    said = st.query_params.to_dict()
    said |= {name: state[_key(name)].strip() for name in ("from", "until")}
    said |= {name: options[state[_key(name)]] for name, options in _NAMES.items()}
    said |= window
    said.pop("before", None)
    st.query_params.from_dict({name: value for name, value in said.items() if value})
