"""From a correlation id on any page to the story behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import streamlit as st

from dashboard import lookup_address
from engine.attempts.words import printable, spelled

PAGE: Final = Path(__file__).resolve().parent.parent / "pages" / "lookup.py"
# An id of ours in full. Left open it would be that of the first rows that were shown, and cut off
# what comes later.
WIDTH: Final = 270
HINT: Final = (
    "Click a correlation id for its story; with the keyboard, go to it with the arrows and copy it"
    " with Ctrl+C"
)
# What a column of buttons would not show as it stands: an icon, and several buttons in a cell.
_ICON: Final = re.compile(r":(?=material/)")
_SEVERAL: Final = re.compile(r"^\[(?=.*\]$)")


def link(correlation_id: str, label: str = "What became of it") -> None:
    """A link to the lookup page with this id in its box."""
    st.page_link(
        PAGE, label=label, query_params=lookup_address.naming(correlation_id), width="content"
    )


def label(correlation_id: str) -> str:
    """An id as a button's text that says just that, whoever made it."""
    text = printable(correlation_id.strip())
    for special in (_ICON, _SEVERAL):
        text = special.sub(lambda found: spelled(found[0]), text)
    return text


def leading(shown: pa.Table, column: str, *, key: str) -> tuple[pa.Table, dict[str, Any]]:
    """A table in which a click on a correlation id opens its story.

    Args:
        shown: the table; the ids in it as they are stored, empty where a row has none.
        column: that of the ids.
        key: of that column on its page.

    Returns:
        The table to be drawn, and the configuration of the column.
    """
    ids = shown[column].to_pylist()
    labels = [label(each) for each in ids]
    by_label = {name: each for name, each in zip(labels, ids, strict=True) if each}
    configured = st.column_config.ButtonColumn(
        type="tertiary",
        key=key,
        on_click=_open,
        args=(key, by_label),
        width=WIDTH,
        alignment="left",
    )
    if labels != ids:
        place = shown.schema.get_field_index(column)
        shown = shown.set_column(place, column, pa.array(labels, pa.string()))
    return shown, {column: configured}


def _open(key: str, by_label: Mapping[str, str]) -> None:
    """Opens the story of the id that was clicked, by what it said: rows move on meanwhile."""
    clicked = st.session_state[key].label.strip()
    if clicked:
        # A row that has left the table since it was clicked is looked up by what it showed.
        st.switch_page(PAGE, query_params=lookup_address.naming(by_label.get(clicked, clicked)))
