"""From a correlation id on any page to the story behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import streamlit as st

from dashboard import lookup_address

PAGE: Final = Path(__file__).resolve().parent.parent / "pages" / "lookup.py"


def link(correlation_id: str, label: str = "What became of it") -> None:
    """A link to the lookup page with this id in its box."""
    st.page_link(
        PAGE, label=label, query_params=lookup_address.naming(correlation_id), width="content"
    )
