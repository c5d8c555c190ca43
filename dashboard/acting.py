"""Somebody at a page as the engine and the audit trail know them."""

from __future__ import annotations

from dashboard.login import page_address
from dashboard.viewer import Viewer
from engine.access.audit import Actor, Way
from engine.clock import Clock
from engine.correlation import make_correlation_id


def actor(viewer: Viewer, clock: Clock) -> Actor:
    """Whoever looks at the page, about to do one thing; that gets a correlation id of its own."""
    return Actor(
        viewer.account_id,
        # Their provider lets people call themselves what they like.
        viewer.email or viewer.name,
        Way.PAGE,
        page_address(),
        make_correlation_id(clock.uuid7()),
    )
