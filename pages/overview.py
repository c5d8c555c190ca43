"""How are saves doing right now?"""

import streamlit as st

from dashboard import filters, panels

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    panels.title("Overview")
    with st.container(horizontal=True, width="content", vertical_alignment="center"):
        length = filters.window()
        wanted = filters.attempts()
        refresh_s = filters.refresh()

st.fragment(panels.overview, run_every=refresh_s)(length, wanted, refresh_s)
