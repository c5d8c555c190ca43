"""The entry script: which pages there are, and the frame around them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import engine_in_process, navigation, viewer

_HERE = Path(__file__).resolve().parent

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
looking = viewer.current()
page = st.navigation(
    {
        section: [
            st.Page(
                navigation.PATHS[each.name],
                title=each.title,
                default=each is navigation.first(looking),
                visibility="visible" if each.is_in_menu else "hidden",
            )
            for each in found
        ]
        for section, found in navigation.sections(looking).items()
    },
    position="top",
)
if engine_in_process.is_open():
    page.run()
else:
    st.error("This process has no engine to read from. Start the dashboard with: saveguard up")
