"""The page of durations as it stands in the browser."""

from __future__ import annotations

from typing import Any, Final

from playwright.sync_api import Page, expect

_PATIENCE_MS: Final = 30_000
_PLOTS: Final = ".saveguard-plot"
_HEATMAP: Final = ".st-key-heatmap .saveguard-plot"
_ARE_DRAWN: Final = f"""
    [...document.querySelectorAll('{_PLOTS}')].filter(each => each._fullData).length === 2
    && document.querySelector('{_HEATMAP}')._fullData.length === 1
"""
# The middle of the cell with the most attempts, in the window's pixels, and what it says.
_FULLEST_CELL: Final = f"""
    (() => {{
        const target = document.querySelector('{_HEATMAP}');
        const {{ x, y, z }} = target.calcdata[0][0];
        const {{ xaxis, yaxis }} = target._fullLayout;
        const {{ left, top }} = target.getBoundingClientRect();
        const middle = (axis, edges, at) =>
            axis._offset + axis.c2p((edges[at] + edges[at + 1]) / 2);
        const cells = z.flatMap((row, i) => [...row].map((value, j) => [value ?? -1, i, j]));
        const [, i, j] = cells.sort((a, b) => b[0] - a[0])[0];
        return {{
            place: [left + middle(xaxis, x, j), top + middle(yaxis, y, i)],
            said: target._fullData[0].customdata[i][j],
        }};
    }})()
"""


class LatencyPage:
    """One tab on the page of durations."""

    def __init__(self, tab: Page, url: str) -> None:
        self.tab = tab
        self._url = url.rstrip("/")
        expect.set_options(timeout=_PATIENCE_MS)
        tab.set_default_timeout(_PATIENCE_MS)

    def open(self, query: str = "") -> LatencyPage:
        """Opens it and waits until both charts are drawn, with something in them."""
        self.tab.goto(f"{self._url}/latency{query}")
        self.tab.wait_for_function(_ARE_DRAWN)
        return self

    def fullest_cell(self) -> tuple[tuple[float, float], str]:
        """Where the cell with the most attempts is, once it is in sight, and what it says."""
        self.tab.locator(_HEATMAP).scroll_into_view_if_needed()
        found: dict[str, Any] = self.tab.evaluate(_FULLEST_CELL)
        left, top = found["place"]
        return (left, top), found["said"]

    def point_at_fullest_cell(self) -> None:
        """Lets the cell with the most attempts say what is in it."""
        place, _ = self.fullest_cell()
        self.tab.mouse.move(*place)
        expect(self.tab.locator(_HEATMAP).locator(".hoverlayer")).to_contain_text("attempt")
