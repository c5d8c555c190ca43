"""How long a look-up takes in a browser: from Enter to the answer, beside one `st.write`.

    python -m bench.answer [--lookups 50] [--bookings FILE] [--write]

`saveguard up` serves a fresh directory with bookings and a light load. A real browser looks up
whole ids, log lines, mistyped ids, quote numbers and agents' e-mail addresses, one after the other;
after each of them it enters the same text on a page that does nothing but write it. The clock is
the browser's own: it starts with the key, and stops with the frame that has the sentence.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg
from playwright.sync_api import Browser, Page

from bench import answer_report
from bench.document import write_numbers, write_part
from bench.measure import machine
from bench.site import open_site, open_yardstick
from engine.correlation import ALPHABET, PREFIX
from engine.database.cluster import Cluster
from engine.database.target import DATABASE_NAME
from tests.browser.chromium import LAPTOP, open_browser

_TOP: Final = Path(__file__).resolve().parent.parent
_BOOKINGS: Final = _TOP / "docs" / "how-to" / "bookings-sample.csv.gz"
# As many saves with an id of ours as are looked up, and some time for the pages to settle.
_SAVES_PER_SECOND: Final = 5.0
# The first look-ups of a session load the parts of Streamlit that the page is drawn with.
_WARM_UP: Final = 3
_SENTENCE: Final = ".st-key-story [data-testid=stText]"
_ECHO: Final = ".st-key-answer [data-testid=stMarkdown]"
_ID: Final = ".st-key-story code"
# Another text than before stands there, and a frame has been drawn since; then the run ends.
_WATCH: Final = """
selector => {
  const shown = () => document.querySelector(selector)?.innerText ?? '';
  const app = document.querySelector('[data-testid=stApp]');
  const before = shown();
  window.answer = new Promise((resolve, reject) => {
    let began = null, isSeen = false, answered = null;
    const look = () => {
      if (began === null) return;
      if (!isSeen && shown() && shown() !== before) {
        isSeen = true;
        requestAnimationFrame(() => { answered = performance.now() - began; look(); });
      }
      if (answered !== null && app.dataset.testScriptState === 'notRunning') {
        observer.disconnect();
        resolve({answer_ms: answered, page_ms: performance.now() - began});
      }
    };
    const observer = new MutationObserver(look);
    observer.observe(
      document.documentElement,
      {subtree: true, childList: true, characterData: true, attributes: true},
    );
    addEventListener('keydown', () => { began = performance.now(); }, {capture: true, once: true});
    setTimeout(() => reject(new Error('no answer')), 30000);
  });
}
"""


class Lookup(NamedTuple):
    """A text to be entered.

    Attributes:
        kind: what it is, in words.
        text: as somebody would paste it.
        means: the correlation id that it leads to; empty where it leads to several.
    """

    kind: str
    text: str
    means: str


def main() -> None:
    """Measures what the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lookups", type=int, default=50)
    parser.add_argument("--bookings", type=Path, default=_BOOKINGS, help="for `saveguard replay`")
    parser.add_argument("--limit", type=int, default=2000, help="how many of the bookings")
    parser.add_argument("--json", type=Path, help="write the results there")
    parser.add_argument("--write", action="store_true", help="update docs/reference/performance.md")
    given = parser.parse_args()
    load = os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory(prefix="saveguard-bench-") as directory,
        open_site(_reachable(directory), given.bookings, given.limit, _SAVES_PER_SECOND) as site,
        open_yardstick("one_answer.py") as yardstick,
        open_browser() as browser,
    ):
        time.sleep((given.lookups + _WARM_UP) / _SAVES_PER_SECOND)
        wanted = _lookups(Path(directory), given.lookups + _WARM_UP)
        pages = _opened(browser, site.port, "lookup"), _opened(browser, yardstick.port, "")
        runs = [_looked_up(*pages, each) for each in wanted]
    results = {
        "machine": machine(),
        "load_before": load,
        "niceness": os.nice(0),
        "saves_per_second": _SAVES_PER_SECOND,
        "runs": runs[_WARM_UP:],
    }
    results["holds"] = [hold.as_dict() for hold in answer_report.holds(results)]
    answer_report.print_tables(results)
    if given.json:
        given.json.write_text(json.dumps(results, indent=2))
    if given.write:
        write_part("bench.answer", answer_report.markdown(results))
        write_numbers("bench.answer", results)


def _reachable(directory: str) -> Path:
    """A directory that the database's account can reach when we are root."""
    path = Path(directory)
    path.chmod(0o755)
    return path


def _opened(browser: Browser, port: int, path: str) -> Page:
    context = browser.new_context(viewport={"width": LAPTOP[0], "height": LAPTOP[1]})
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{port}/{path}")
    page.get_by_role("textbox", name="What became of").wait_for()
    return page


def _looked_up(lookup: Page, yardstick: Page, wanted: Lookup) -> dict[str, Any]:
    """One look-up, and the same text on the page that only writes it."""
    found = _entered(lookup, _SENTENCE, wanted.text)
    told = lookup.locator(_ID).first.inner_text()
    if wanted.means and told != wanted.means:
        raise SystemExit(f"{wanted.kind}: {told} was told instead of {wanted.means}")
    echo = _entered(yardstick, _ECHO, wanted.text)
    sys.stderr.write(".")
    return {
        "kind": wanted.kind,
        **found,
        "yardstick_answer_ms": echo["answer_ms"],
        "yardstick_page_ms": echo["page_ms"],
    }


def _entered(page: Page, selector: str, text: str) -> dict[str, float]:
    """Milliseconds from the key to the frame with the answer, and to the end of the page's run."""
    box = page.get_by_role("textbox", name="What became of")
    box.fill(text)
    page.evaluate(_WATCH, selector)
    box.press("Enter")
    found: dict[str, float] = page.evaluate("() => window.answer")
    return found


def _lookups(directory: Path, count: int) -> list[Lookup]:
    """Texts of every kind in turn, each of another attempt."""
    with psycopg.connect(Cluster(directory / "postgresql").conninfo(DATABASE_NAME)) as connection:
        made_by_us = [
            each
            for each in _column(connection, "SELECT correlation_id FROM attempt")
            if each.startswith(PREFIX)
        ]
        numbers = _column(connection, "SELECT DISTINCT quote_number FROM quote")
        emails = _column(connection, "SELECT email FROM agent ORDER BY email")
    made = []
    for number in range(count):
        one = made_by_us[number % len(made_by_us)]
        line = f'2026-11-25T14:03:07Z ERROR save failed {{"correlationId": "{one}", "ms": 12}}'
        made.append(
            (
                Lookup("whole id", one, one),
                Lookup("log line", line, one),
                Lookup("mistyped id", _mistyped(one), one),
                Lookup("quote number", numbers[number % len(numbers)], ""),
                Lookup("e-mail address", emails[number // 5 % len(emails)], ""),
            )[number % 5]
        )
    return made


def _column(connection: psycopg.Connection[Any], query: str) -> Sequence[str]:
    found = [row[0] for row in connection.execute(query.encode()).fetchall()]
    if not found:
        raise SystemExit(f"nothing to look up: {query}")
    return found


def _mistyped(right: str) -> str:
    """An id of ours with its last character but one wrong."""
    letters = ALPHABET[1:] + ALPHABET[0]
    return right[:-2] + letters[ALPHABET.index(right[-2])] + right[-1]


if __name__ == "__main__":
    main()
