"""Debian's own chromium, driven by Playwright; no browser is ever downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, sync_playwright

EXECUTABLE: Final = Path("/usr/bin/chromium")
MISSING: Final = (
    f"NOT RUN: NO PAGE WAS LOOKED AT. {EXECUTABLE} is missing; install it with:"
    " apt-get install -y chromium"
)
_FLAGS: Final = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Cards and charts have to fit into this without scrolling: a small laptop's browser.
LAPTOP: Final = (1440, 820)
TABLET: Final = (800, 1000)
PHONE: Final = (390, 844)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser that lives until the block ends; inside it no other event loop can run."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=EXECUTABLE, args=[*_FLAGS])
        try:
            yield browser
        finally:
            browser.close()
