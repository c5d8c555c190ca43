"""The log lines of an attempt on its page, and whether they say what the ledger says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from engine.runtime import Runtime
from tests.support import new_agency

HOSTILE = "<img src=x onerror=alert(1)> [a](https://evil.example) :red[x] \u202e\x1b[31m"
AGREE = "The log line says what the ledger says, in all 23 fields."


@pytest.fixture
def attempt(engine: Runtime) -> dict[str, Any]:
    """An attempt whose line was written at the engine's own instant."""
    agency = new_agency(engine)
    agency.create()
    (row,) = agency.attempts()
    set_back(engine)
    return row


def log_of(engine: Runtime) -> Path:
    (path,) = engine.lines.file.directory.glob("attempts.*")
    return path


def set_back(engine: Runtime) -> None:
    """The engine's clock stands still; that of the file system does not."""
    at = engine.clock.now().timestamp()
    os.utime(log_of(engine), (at, at))


def opened(page: AppTest, correlation_id: str) -> AppTest:
    page.switch_page("../pages/lookup.py")
    page.query_params["correlation_id"] = correlation_id
    page.run()
    assert not page.exception
    return page


def said(page: AppTest) -> str:
    """All that is read as Markdown."""
    return "\n".join(each.value for each in [*page.caption, *page.markdown, *page.header])


def lines(page: AppTest) -> list[dict[str, Any]]:
    found = [each.value for each in page.dataframe if each.proto.alt == "Log lines with its ids"]
    return [dict(each) for _, each in found[0].iterrows()] if found else []


def codes(page: AppTest) -> list[str]:
    return [each.value for each in page.code]


def test_the_line_is_shown_and_agrees(
    page: AppTest, engine: Runtime, attempt: dict[str, Any]
) -> None:
    opened(page, attempt["correlation_id"])

    assert AGREE in said(page)
    (line,) = lines(page)
    assert line["Line"] == "attempt"
    assert line["What it says"].startswith("CREATE committed, HTTP 201, ")
    assert log_of(engine).read_text().strip() in codes(page)


def test_without_a_line_on_this_host_that_is_what_it_says(
    page: AppTest, engine: Runtime, attempt: dict[str, Any]
) -> None:
    log_of(engine).unlink()

    opened(page, attempt["correlation_id"])

    assert "There is no log line of this attempt on this host." in said(page)
    assert lines(page) == []


def test_a_field_that_differs_is_named_and_what_it_holds_is_text(
    page: AppTest, engine: Runtime, attempt: dict[str, Any]
) -> None:
    line = json.loads(log_of(engine).read_text())
    line |= {"http_status": 299, "instance": HOSTILE}
    log_of(engine).write_text(json.dumps(line) + "\n")
    set_back(engine)

    opened(page, attempt["correlation_id"])

    assert "The log and the ledger differ in 2 fields:" in said(page)
    assert AGREE not in said(page)
    (differences,) = [each for each in codes(page) if " in the ledger" in each]
    assert "http_status: 299 in the log, 201 in the ledger" in differences
    assert "evil.example" not in said(page)
    assert "\u202e" not in differences + lines(page)[0]["What it says"]


def test_a_line_that_is_there_twice_is_one_and_others_of_its_id_are_shown(
    page: AppTest, engine: Runtime, attempt: dict[str, Any]
) -> None:
    line = json.loads(log_of(engine).read_text())
    again = line | {"event": "attempt_swept"}
    other = {"event": "correlation_id_replaced", "timestamp": line["timestamp"], "level": "warning"}
    other["correlation_id"] = attempt["correlation_id"]
    log_of(engine).write_text("\n".join(map(json.dumps, [line, other, again])) + "\n")
    set_back(engine)

    opened(page, attempt["correlation_id"])

    assert f"{AGREE} It is there 2 times, see below." in said(page)
    assert sorted(each["Line"] for each in lines(page)) == [
        "attempt",
        "attempt, closed by a sweeper",
        "correlation_id_replaced",
    ]
