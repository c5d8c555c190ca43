"""How long do saves take, and where does the time go?"""

import streamlit as st

from dashboard import filters, latency_panels, panels

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    panels.title("Latency")
    with st.container(horizontal=True, width="content", vertical_alignment="center"):
        length = filters.window()
        wanted = filters.attempts(has_path=True)
        refresh_s = filters.refresh()

st.fragment(latency_panels.latency, run_every=refresh_s)(length, wanted, refresh_s)
