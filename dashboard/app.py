"""The entry script: which pages there are, and the frame around them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import engine_in_process

_HERE = Path(__file__).resolve().parent
_PAGES = _HERE.parent / "pages"

st.set_page_config(
    # Whoever has a tab for each installation tells them apart by it.
    page_title=f"Saveguard {engine_in_process.runtime().settings.environment}"
    if engine_in_process.is_open()
    else "Saveguard",
    # A file of our own: an icon by name would be fetched from elsewhere.
    page_icon=_HERE / "favicon.png",
    layout="wide",
)
st.html(_HERE / "page.css")
page = st.navigation(
    [
        st.Page(_PAGES / "overview.py", title="Overview", default=True),
        st.Page(_PAGES / "lookup.py", title="Lookup"),
        st.Page(_PAGES / "latency.py", title="Latency"),
        st.Page(_PAGES / "errors.py", title="Errors"),
        st.Page(_PAGES / "attempts.py", title="Attempts"),
        # Reached by links: without an address it has nothing to show.
        st.Page(_PAGES / "quote.py", title="Quote", visibility="hidden"),
    ],
    position="top",
)
if engine_in_process.is_open():
    page.run()
else:
    st.error("This process has no engine to read from. Start the dashboard with: saveguard up")
