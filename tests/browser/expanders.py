"""Opens the expanders of a page, as somebody does who waits until they stand still."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect


def open_expander(expander: Locator, inside: Locator) -> None:
    """Opens one that is closed, and waits until it shows all of itself.

    For half a second it is a growing clip, which Playwright scrolls to reach what is in it. The
    clip's growth takes that back: a button moves on between mouse down and mouse up, and nothing
    is pressed (docs/decisions/0020-presses-under-load.md).

    Args:
        expander: its container.
        inside: something in it that has to be there, so that it does not grow on later.
    """
    details = expander.locator("details")
    inside.wait_for(state="attached")
    details.locator("summary").click()
    expect(details).to_have_attribute("open", "")
    # It clips what is in it as long as it grows.
    expect(details).to_have_css("overflow", re.compile("visible"))
