"""Somebody at a page as the engine and the audit trail know them."""

from __future__ import annotations

import streamlit as st

from dashboard.viewer import Viewer
from engine.access.audit import Actor, Way
from engine.clock import Clock
from engine.correlation import make_correlation_id


def actor(viewer: Viewer, clock: Clock) -> Actor:
    """Whoever looks at the page, about to do one thing; that gets a correlation id of its own."""
    address = st.context.ip_address
    return Actor(
        viewer.account_id,
        viewer.name,
        Way.PAGE,
        address if isinstance(address, str) else None,
        make_correlation_id(clock.uuid7()),
    )
