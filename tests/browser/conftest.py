"""One server for all browser tests; one browser for each module, because its event loop is ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import EXECUTABLE, LAPTOP, MISSING, open_browser
from tests.browser.overview_page import OverviewPage, Viewer, looking_on
from tests.browser.saveguard import Saveguard, running_saveguard


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's chromium, or a loud skip."""
    if not EXECUTABLE.exists():
        pytest.skip(MISSING)
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def saveguard(reachable_dir: Path) -> Iterator[Saveguard]:
    """A running Saveguard with its own database."""
    with running_saveguard(reachable_dir / "browser") as running:
        yield running


@pytest.fixture(scope="module")
def viewer(browser: Browser, saveguard: Saveguard) -> Iterator[Viewer]:
    """A viewer with a laptop who keeps one tab on the live overview."""
    with looking_on(browser, saveguard.url) as opened:
        yield opened


@pytest.fixture
def overview(viewer: Viewer) -> Iterator[OverviewPage]:
    """The live overview; a page takes seconds to load, so the tests of a module share it."""
    yield viewer.overview
    viewer.overview.tab.emulate_media(color_scheme="light")
    viewer.overview.resize(LAPTOP)


@pytest.fixture
def tab(viewer: Viewer) -> Iterator[Page]:
    """Another tab of the same viewer."""
    opened = viewer.context.new_page()
    yield opened
    opened.close()
