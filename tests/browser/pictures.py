"""Takes the pictures of pages that the documentation shows, light and dark.

    python -m tests.browser.pictures --replay hotel_bookings.csv.gz

serves from a fresh database, replays the bookings through the API until the window of five minutes
is full, and writes `docs/images/overview-light.png`, `overview-dark.png` and those of the other
pages. With `--url` it takes them of a Saveguard that is running already, with `--page` of one page.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

import psycopg
from playwright.sync_api import Browser

from dashboard.panels import ROW_HEIGHT
from engine.clock import SystemClock
from engine.database.cluster import Cluster
from engine.settings import Settings
from tests.alert_past import Past, timeouts, two_weeks
from tests.browser.chromium import LAPTOP, open_browser
from tests.browser.latency_page import LatencyPage
from tests.browser.overview_page import looking_on
from tests.browser.saveguard import Saveguard, command, running_saveguard

_IMAGES: Final = Path(__file__).resolve().parents[2] / "docs" / "images"
# A little more than the window, so that no part of it is empty.
_MINUTES: Final = 5.2
_WORKERS: Final = "2"
# Down to the heatmap and the first of the slowest attempts.
_TALL: Final = (1440, 1560)
# Down to the two versions that are compared.
_WIDE: Final = (1440, 1100)


def main() -> None:
    """Reads the command line and takes the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.browser.pictures")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--url", help="a Saveguard that is running")
    source.add_argument("--replay", type=Path, metavar="FILE", help="bookings to replay")
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="how long to replay first")
    parser.add_argument("--page", choices=_TAKERS, action="append", help="only of this page")
    parser.add_argument("--into", type=Path, default=_IMAGES, help="directory for the pictures")
    given = parser.parse_args()
    pages = given.page or list(_TAKERS)
    if given.url:
        take(given.url, given.into, pages)
        return
    with _fresh_saveguard() as saveguard, _replaying(saveguard, given.replay):
        SystemClock().sleep(given.minutes * 60)
        # Bookings are replayed one after the other; some pages show who lost to whom.
        saveguard.lose_a_race()
        _staff(saveguard)
        _ready(saveguard)
        _burst(saveguard)
        take(saveguard.url, given.into, pages)


def take(url: str, directory: Path, pages: Sequence[str]) -> None:
    """Takes a light and a dark picture of some pages of the dashboard at this URL."""
    with open_browser() as browser:
        for page in pages:
            for theme in ("light", "dark"):
                path = directory / f"{page}-{theme}.png"
                _TAKERS[page](browser, url, path, is_dark=theme == "dark")


class _Taker(Protocol):
    """Takes one picture of a page."""

    def __call__(self, browser: Browser, url: str, path: Path, *, is_dark: bool) -> None: ...


def _take_overview(browser: Browser, url: str, path: Path, *, is_dark: bool) -> None:
    with looking_on(browser, url, size=LAPTOP, is_dark=is_dark, zone="Europe/Paris") as viewer:
        viewer.overview.await_refreshes(2)
        viewer.overview.tab.screenshot(path=path)


def _take_errors(browser: Browser, url: str, path: Path, *, is_dark: bool) -> None:
    with looking_on(browser, url, size=LAPTOP, is_dark=is_dark, zone="Europe/Paris") as viewer:
        tab = viewer.overview.tab
        tab.goto(f"{url}/errors")
        tab.wait_for_function("document.querySelector('.saveguard-plot')?._fullData?.length > 1")
        tab.get_by_test_id("stDataFrame").first.wait_for()
        viewer.overview.await_refreshes(2)
        tab.screenshot(path=path)


def _take_latency(browser: Browser, url: str, path: Path, *, is_dark: bool) -> None:
    with looking_on(browser, url, size=_TALL, is_dark=is_dark, zone="Europe/Paris") as viewer:
        page = LatencyPage(viewer.overview.tab, url).open("?refresh=Paused&percentile=P99")
        page.point_at_fullest_cell()
        page.tab.screenshot(path=path)


def _take_lookup(browser: Browser, url: str, path: Path, *, is_dark: bool) -> None:
    with looking_on(browser, url, size=_TALL, is_dark=is_dark, zone="Europe/Paris") as viewer:
        tab = viewer.overview.tab
        tab.goto(f"{url}/errors?code=QUOTE_CONFLICT_VERSION&window=90+d&refresh=Paused")
        lost = tab.locator(".st-key-newest-ids code").first.inner_text()
        tab.goto(f"{url}/lookup?correlation_id={lost}")
        tab.wait_for_function("document.querySelector('.saveguard-plot')?._fullData")
        tab.locator(".st-key-by_agent-table [role=gridcell]").first.wait_for(state="attached")
        tab.screenshot(path=path)


def _take_quote(browser: Browser, url: str, path: Path, *, is_dark: bool) -> None:
    with looking_on(browser, url, size=_WIDE, is_dark=is_dark, zone="Europe/Paris") as viewer:
        tab = viewer.overview.tab
        tab.goto(f"{url}/errors?code=QUOTE_CONFLICT_VERSION&window=90+d&refresh=Paused")
        lost = tab.locator(".st-key-newest-ids code").first.inner_text()
        tab.goto(f"{url}/lookup?correlation_id={lost}")
        tab.get_by_role("link", name="The quote's history").click()
        for table in ("history", "fields"):
            tab.locator(f".st-key-{table}-table [role=gridcell]").first.wait_for(state="attached")
        # Away from the tables: what is pointed at shows its tools.
        tab.mouse.move(0, 0)
        tab.screenshot(path=path)


def _take_attempts(browser: Browser, url: str, path: Path, *, is_dark: bool) -> None:
    with looking_on(browser, url, size=LAPTOP, is_dark=is_dark, zone="Europe/Paris") as viewer:
        tab = viewer.overview.tab
        tab.goto(f"{url}/errors?code=QUOTE_CONFLICT_VERSION&refresh=Paused")
        tab.get_by_role("link", name="Show them").click()
        tab.get_by_text("Both counts agree").wait_for()
        tab.get_by_test_id("stDataFrame").locator("[role=gridcell]").first.wait_for(
            state="attached"
        )
        tab.screenshot(path=path)


def _take_people(browser: Browser, url: str, path: Path, *, is_dark: bool) -> None:
    with looking_on(browser, url, size=_WIDE, is_dark=is_dark, zone="Europe/Paris") as viewer:
        tab = viewer.overview.tab
        tab.goto(f"{url}/people")
        people = tab.locator(".st-key-people-table").get_by_test_id("stDataFrame")
        people.locator("[role=gridcell]").first.wait_for(state="attached")
        # The grid is a canvas: the account that was added first stands second, by its place.
        place = people.bounding_box()
        assert place is not None
        tab.mouse.click(place["x"] + 35, place["y"] + 2.5 * ROW_HEIGHT)
        tab.locator(".st-key-person-table [role=gridcell]").first.wait_for(state="attached")
        tab.mouse.move(0, 0)
        tab.screenshot(path=path)


def _take_readiness(browser: Browser, url: str, path: Path, *, is_dark: bool) -> None:
    with looking_on(browser, url, size=_TALL, is_dark=is_dark, zone="Europe/Paris") as viewer:
        tab = viewer.overview.tab
        tab.goto(f"{url}/readiness?phase=PRE-2&box=PRE-2.4")
        for table in ("boxes", "box"):
            tab.locator(f".st-key-{table}-table [role=gridcell]").first.wait_for(state="attached")
        tab.mouse.move(0, 0)
        tab.screenshot(path=path)


def _take_alerts(browser: Browser, url: str, path: Path, *, is_dark: bool) -> None:
    with looking_on(browser, url, size=_WIDE, is_dark=is_dark, zone="Europe/Paris") as viewer:
        tab = viewer.overview.tab
        tab.goto(f"{url}/alerts")
        # The rules need an evaluation or two.
        tab.locator("[class*='st-key-firing-critical-']").first.wait_for()
        tab.locator(".st-key-cards").wait_for()
        viewer.overview.await_refreshes(2)
        tab.mouse.move(0, 0)
        tab.screenshot(path=path)


def _taken_when_filled(name: str, table: str) -> _Taker:
    """Of a page that stands still, once a table of it is there."""

    def take(browser: Browser, url: str, path: Path, *, is_dark: bool) -> None:
        with looking_on(browser, url, size=LAPTOP, is_dark=is_dark, zone="Europe/Paris") as viewer:
            tab = viewer.overview.tab
            tab.goto(f"{url}/{name}")
            tab.locator(f".st-key-{table}-table [role=gridcell]").first.wait_for(state="attached")
            tab.screenshot(path=path)

    return take


_TAKERS: Final[Mapping[str, _Taker]] = {
    "overview": _take_overview,
    "errors": _take_errors,
    "latency": _take_latency,
    "lookup": _take_lookup,
    "quote": _take_quote,
    "attempts": _take_attempts,
    "alerts": _take_alerts,
    "readiness": _take_readiness,
    "people": _take_people,
    "audit": _taken_when_filled("audit", "audit"),
    "limits": _taken_when_filled("limits", "settings"),
    "account": _taken_when_filled("account", "own"),
}


def _staff(saveguard: Saveguard) -> None:
    """Some people of every role, and an agent with limits of its own."""
    ours = [sys.executable, "-m", "dashboard"]
    place = ["--data-dir", str(saveguard.data_dir)]
    for name, role in (
        ("Ada Kowalski", "admin"),
        ("Maria Lopez", "lead"),
        ("Theo Janssen", "on-call"),
        ("Priya Nair", "viewer"),
    ):
        email = f"{name.lower().replace(' ', '.')}@agency.example"
        said = ["--email", email, "--name", name, "--role", role]
        subprocess.run([*ours, "user", "add", *said, *place], check=True, capture_output=True)  # noqa: S603  # ours
    limits = ["--email", "desk@sunset.example", "--rate-limit", "60", "--quota", "2000"]
    subprocess.run(  # noqa: S603  # our own interpreter and module
        [*ours, "agent", "add", "Sunset Travel", *limits, *place],
        check=True,
        capture_output=True,
    )


def _ready(saveguard: Saveguard) -> None:
    """A release on its way, at whose boxes a machine has looked."""
    # By its commit a process is known as well: what the pictures show has no release of its own.
    made = ["--commit", Settings().release, "--environment", "development"]
    whose = ["--author", "ada.kowalski@agency.example"]
    place = saveguard.data_dir
    command(place, "readiness", "release", "add", "2026.48", *made, *whose)
    # It exits 1 where a box is red, as one may be.
    with suppress(subprocess.CalledProcessError):
        command(place, "readiness", "run", "--release", "2026.48")


def _burst(saveguard: Saveguard) -> None:
    """Two weeks with an alert now and then; and attempts that ran into a lock, a moment ago."""
    conninfo = Cluster(saveguard.data_dir / "postgresql").conninfo("saveguard")
    with psycopg.connect(conninfo, autocommit=True) as connection:
        two_weeks(Past(connection, SystemClock().now()))
        timeouts(connection, 3)


@contextmanager
def _fresh_saveguard() -> Iterator[Saveguard]:
    with (
        tempfile.TemporaryDirectory(prefix="saveguard-pictures-") as made,
        running_saveguard(Path(made)) as saveguard,
    ):
        yield saveguard


@contextmanager
def _replaying(saveguard: Saveguard, bookings: Path) -> Iterator[None]:
    replay = subprocess.Popen(  # noqa: S603  # our own interpreter and module
        [
            *(sys.executable, "-m", "dashboard", "replay", str(bookings), "--via", "http"),
            *("--url", saveguard.url, "--workers", _WORKERS),
            *("--data-dir", str(saveguard.data_dir)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        replay.terminate()
        replay.wait()


if __name__ == "__main__":
    main()
