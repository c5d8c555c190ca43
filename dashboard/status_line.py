"""The line under a page's title: how its numbers come about, or why they are old."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.wording import Words


def draw(notice: str, badges: Sequence[Words], as_of: str) -> None:
    """One line, as high whatever it says: what stands below must not move when it changes.

    Args:
        notice: why the numbers are old; empty while they are not.
        badges: how they come about, in place of the notice.
        as_of: which window it is.
    """
    with st.container(
        horizontal=True,
        horizontal_alignment="distribute",
        vertical_alignment="center",
        key="status",
    ):
        if notice:
            st.error(notice, icon=":material/cloud_off:")
        else:
            with st.container(horizontal=True, width="content", key="badges"):
                for badge in badges:
                    st.badge(badge.text, color=badge.colour)
        with st.container(width="content", key="as-of"):
            st.caption(as_of)
