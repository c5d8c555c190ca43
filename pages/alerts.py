"""What is wrong now, since when, how bad, and what do I do?"""

import streamlit as st

from dashboard import alerts_panel, filters, panels

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    panels.title("Alerts")
    refresh_s = filters.refresh()

alerts_panel.alerts(refresh_s)
