"""The entry script: which pages there are, and the frame around them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboard import door, engine_in_process, viewer
from dashboard.login import NOBODY
from dashboard.viewer import Viewer

_HERE = Path(__file__).resolve().parent
_PAGES = _HERE.parent / "pages"

st.set_page_config(
    # Whoever has a tab for each installation tells them apart by it.
    page_title=f"Saveguard {engine_in_process.runtime().settings.environment}"
    if engine_in_process.is_open()
    else "Saveguard",
    # No icon: Streamlit's page asks for /favicon.png, which is ours (dashboard/asgi.py), and which
    # somebody who has not signed in yet may have, too.
    layout="wide",
)
st.html(_HERE / "page.css")
# Before any page is registered: who is not signed in gets none, whatever their address says.
standing = door.require_sign_in() if engine_in_process.is_open() else NOBODY


def pages_of(_viewer: Viewer) -> list[StreamlitPage]:
    """The pages that somebody may see; the others have no address for them."""
    return [
        st.Page(_PAGES / "overview.py", title="Overview", default=True),
        st.Page(_PAGES / "lookup.py", title="Lookup"),
        st.Page(_PAGES / "latency.py", title="Latency"),
        st.Page(_PAGES / "errors.py", title="Errors"),
        st.Page(_PAGES / "attempts.py", title="Attempts"),
        # Reached by links: without an address it has nothing to show.
        st.Page(_PAGES / "quote.py", title="Quote", visibility="hidden"),
    ]


page = st.navigation(pages_of(viewer.current()), position="top")
if engine_in_process.is_open():
    door.show_who_is_here(standing)
    page.run()
else:
    st.error("This process has no engine to read from. Start the dashboard with: saveguard up")
