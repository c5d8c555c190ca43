"""What goes wrong, how often, and for whom?"""

import streamlit as st

from dashboard import errors_panels, filters, panels

with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
    panels.title("Errors")
    with st.container(horizontal=True, width="content", vertical_alignment="center"):
        is_code_unread = filters.is_code_unread()
        length = filters.window()
        wanted = filters.attempts(has_path=True)
        code = filters.code()
        refresh_s = filters.refresh()

if is_code_unread:
    st.warning("The address names an error code that there is not. Every code is shown.")
if code is not None:
    errors_panels.about(code)

st.fragment(errors_panels.errors, run_every=refresh_s)(length, wanted, code, refresh_s)
