"""The page that a page's cost is measured by: one line that changes, every two seconds."""

import streamlit as st

from engine.clock import SystemClock


@st.fragment(run_every=2)
def _line() -> None:
    st.write(f"It is {SystemClock().now():%H:%M:%S}.")


_line()
