"""The entry script: which pages there are, and the frame around them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import alerts_banner, door, engine_in_process, entry, navigation, viewer
from dashboard.login import NOBODY

_HERE = Path(__file__).resolve().parent

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
looking = viewer.current()
begin = navigation.first(looking)
menu = {
    section: [
        st.Page(
            navigation.PATHS[each.name],
            title=alerts_banner.menu_title(each.title) if each.name == "alerts" else each.title,
            default=each is begin,
            # Streamlit serves it at / under any name; its own is for what leads there.
            url_path="begin" if each is begin else None,
            visibility="visible" if each.is_in_menu else "hidden",
        )
        for each in found
    ]
    for section, found in navigation.sections(looking).items()
}
# Scripts of their own, which know nothing of the pages at whose addresses they stand.
menu.setdefault("", []).extend(
    st.Page(script, title=each.title, url_path=each.name, visibility="hidden")
    for each, script in (
        (begin, entry.lead_to(begin.name)),
        *((each, entry.stand_in(each.name)) for each in navigation.closed(looking)),
    )
)
page = st.navigation(menu, position="top")
if any(page in found for section, found in menu.items() if section):
    # The menu marks a page of its first level, and not the section that has the page.
    st.html(_HERE / "section.css")
if engine_in_process.is_open():
    door.show_who_is_here(standing)
    if page.url_path != "alerts":
        st.fragment(alerts_banner.draw, run_every=alerts_banner.REFRESH_S)()
    page.run()
else:
    st.error("This process has no engine to read from. Start the dashboard with: saveguard up")
