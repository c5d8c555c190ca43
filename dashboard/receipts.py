"""From a number to its receipt: the page of the attempts that it counts."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from dashboard import addresses
from engine.rollups.selection import Selection

PAGE: Final = Path(__file__).resolve().parent.parent / "pages" / "attempts.py"


def link(selection: Selection, label: str) -> None:
    """A link to the attempts of a selection."""
    st.page_link(PAGE, label=label, query_params=addresses.attempts(selection), width="content")


def mark(words: str, selection: Selection | None) -> str:
    """The same as Markdown around words of ours; only the words where there is nothing behind."""
    return words if selection is None else f"[{words}]({href(selection)})"


def href(selection: Selection) -> str:
    """The same as an address, for a table's column of links."""
    return f"{addresses.ATTEMPTS}?{urlencode(addresses.attempts(selection))}"
