"""The entry script: which pages there are, and the frame around them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_PAGES = Path(__file__).resolve().parent.parent / "pages"

st.set_page_config(page_title="Saveguard", layout="wide")
st.navigation([st.Page(_PAGES / "overview.py", title="Overview", default=True)]).run()
