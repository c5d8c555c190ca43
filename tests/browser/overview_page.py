"""The overview as it stands in the browser: where its parts are, and what they show."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.browser.chromium import LAPTOP
from tests.browser.saveguard import Saveguard, correlation_id

_PATIENCE_MS: Final = 30_000
_PLOTS: Final = ".saveguard-plot"


class OverviewPage:
    """One tab on the overview."""

    def __init__(self, tab: Page, url: str) -> None:
        self.tab = tab
        self._url = url.rstrip("/")
        expect.set_options(timeout=_PATIENCE_MS)
        tab.set_default_timeout(_PATIENCE_MS)

    def open(self, query: str = "") -> OverviewPage:
        """Opens it and waits until both charts are drawn."""
        self.tab.goto(f"{self._url}/{query}")
        return self.ready()

    def ready(self) -> OverviewPage:
        """Waits until both charts are drawn."""
        self.tab.wait_for_function(
            f"[...document.querySelectorAll('{_PLOTS}')]"
            ".filter(each => each._fullData).length === 2"
        )
        return self

    def in_step_with(self, saveguard: Saveguard) -> int:
        """How many attempts it counts once it has seen everything that was saved until now."""
        newest = correlation_id(saveguard.create())
        expect(self.cells(newest)).to_have_count(1)
        return self.attempts()

    def resize(self, size: tuple[int, int]) -> None:
        """Gives the window another size."""
        self.tab.set_viewport_size({"width": size[0], "height": size[1]})

    def card(self, label: str) -> Locator:
        """One headline number's card."""
        named = self.tab.get_by_text(label, exact=True)
        return self.cards().filter(has=named)

    def value(self, label: str) -> Locator:
        """The number on a card."""
        return self.card(label).get_by_test_id("stMetricValue")

    def attempts(self) -> int:
        """How many attempts the page counts now."""
        return int(self.value("Attempts").inner_text().replace(",", ""))

    def as_of(self) -> Locator:
        """The line that says how fresh the numbers are."""
        return self.tab.locator(".st-key-as-of")

    def notice(self) -> Locator:
        """What is said of an outage, in the place of the badges."""
        return self.tab.locator(".st-key-status").get_by_role("alert")

    def cards(self) -> Locator:
        """The headline numbers."""
        return self.tab.get_by_test_id("stMetric")

    def badges(self) -> Locator:
        """The row under the title."""
        return self.tab.locator(".st-key-badges")

    def charts(self) -> Locator:
        """Both charts: durations, then errors."""
        return self.tab.locator(_PLOTS)

    def table(self) -> Locator:
        """The newest attempts."""
        return self.tab.get_by_test_id("stDataFrame")

    def cells(self, text: str) -> Locator:
        """The table's cells with this text."""
        return self.table().locator("[role=gridcell]").filter(has_text=text)

    def await_refreshes(self, number: int) -> None:
        """Waits until the page has renewed its numbers so many times."""
        for _ in range(number):
            shown = self.as_of().inner_text()
            expect(self.as_of()).not_to_have_text(shown)

    def drawn_colours(self) -> list[str]:
        """The colours of the first chart's lines as Plotly has resolved them."""
        found: list[str] = self.tab.evaluate(
            f"document.querySelector('{_PLOTS}')._fullData"
            ".filter(trace => trace.type === 'scatter').map(trace => trace.line.color)"
        )
        return found

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        return self.tab.evaluate(script)


@dataclass(frozen=True)
class Viewer:
    """A browser's user with one tab on the overview.

    Attributes:
        context: with its cache and permissions.
        overview: the first tab.
        asked: every address that was asked for, sockets included.
        complaints: errors in the browser's console.
    """

    context: BrowserContext
    overview: OverviewPage
    asked: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def looking_on(
    browser: Browser,
    url: str,
    *,
    size: tuple[int, int] = LAPTOP,
    is_dark: bool = False,
    zone: str = "Asia/Kolkata",
) -> Iterator[Viewer]:
    """Opens the overview for a viewer of its own.

    Args:
        browser: to open it in.
        url: of the dashboard.
        size: of the window, in pixels.
        is_dark: whether the viewer prefers a dark theme.
        zone: where the viewer's clock stands.
    """
    context = browser.new_context(
        bypass_csp=True,  # a test that waits for an expression has the page evaluate it
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if is_dark else "light",
        timezone_id=zone,
    )
    tab = context.new_page()
    viewer = Viewer(context, OverviewPage(tab, url))
    tab.on("request", lambda request: viewer.asked.add(request.url))
    tab.on("websocket", lambda socket: viewer.asked.add(socket.url))
    tab.on(
        "console",
        lambda said: viewer.complaints.append(said.text) if said.type == "error" else None,
    )
    tab.on("pageerror", lambda error: viewer.complaints.append(str(error)))
    viewer.overview.open()
    yield viewer
    context.close()
