"""What stands around the pages: Plotly's script, the favicon, the warm-up."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from plotly.offline import get_plotlyjs
from starlette.applications import Starlette

from dashboard import engine_in_process, plot

_DASHBOARD = Path(plot.__file__).parent


def test_plotlys_script_comes_from_the_installed_package_and_is_fetched_once() -> None:
    route = plot.library_route()

    async def fetch() -> httpx.Response:
        transport = httpx.ASGITransport(Starlette(routes=[route]))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as browser:
            return await browser.get(route.path)

    answer = asyncio.run(fetch())

    assert answer.text == get_plotlyjs()
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "immutable" in answer.headers["cache-control"]


def test_the_address_of_plotlys_script_changes_with_its_version() -> None:
    address = plot.library_route().path

    assert address.removeprefix("/plotly-").removesuffix(".min.js") in get_plotlyjs()[:100]


def test_a_figure_leaves_its_looks_to_the_theme() -> None:
    figure = json.loads(plot.serialised([{"type": "scatter", "x": [1], "y": [2]}], {}))

    assert figure["layout"]["template"] == {}
    assert "color" not in figure["data"][0].get("line", {})


def test_the_favicon_is_a_file_of_ours() -> None:
    picture = (_DASHBOARD / "favicon.png").read_bytes()

    assert picture.startswith(b"\x89PNG")


def test_the_warm_up_leaves_nothing_to_import_for_the_first_viewer() -> None:
    """The first page would otherwise wait a second for pandas, Plotly and their helpers."""
    program = """
import sys
from dashboard import warm
warm.render_once()
before = set(sys.modules)
from dashboard import figures, panels, view
figures.nothing("Something")
heavy = {"pandas", "plotly", "pyarrow", "numpy", "streamlit", "orjson"}
late = {name for name in set(sys.modules) - before if name.split(".")[0] in heavy}
assert not late, late
"""
    ended = subprocess.run(  # noqa: S603  # our own interpreter and program
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr


def test_pages_are_told_when_there_is_no_engine() -> None:
    engine_in_process.provide(None)

    assert not engine_in_process.is_open()
    with pytest.raises(RuntimeError, match="saveguard up"):
        engine_in_process.runtime()
