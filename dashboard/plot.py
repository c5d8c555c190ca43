"""A Plotly chart that is redrawn in place.

`st.plotly_chart` of Streamlit 1.67 makes the identity of a chart out of its content, so each
refresh removes the chart from the page and mounts another: it blinks, and its figure is serialised
anew for every viewer. This component keeps the chart and takes the figure as text, serialised once.
"""

from __future__ import annotations

import functools
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import streamlit as st
from plotly.offline import get_plotlyjs, get_plotlyjs_version
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

# As in Plotly's schema.
Trace = dict[str, Any]

_SCRIPT: Final = Path(__file__).resolve().with_name("plot.js")
_LIBRARY: Final = f"/plotly-{get_plotlyjs_version()}.min.js"
_CONFIG: Final = {"displayModeBar": False, "scrollZoom": False}


class Rectangle(NamedTuple):
    """A part of a chart that a viewer has pointed at; where they clicked, its sides are nothing.

    Attributes:
        x: from left to right, as the axis has it: instants are text, in UTC, and do not say so.
        y: from the bottom up, as the axis has it.
    """

    x: tuple[str, str]
    y: tuple[float, float]


def plot(figure: str, *, alt: str, end: str, key: str) -> None:
    """Shows a figure, or changes the one that is there into it.

    Args:
        figure: as JSON, see `serialised`; its height is in its layout.
        alt: what the chart shows, for those who do not see it.
        end: of the window, so that one can see in the page which reading the chart is of.
        key: the chart's identity on the page.
    """
    _component()(key=key, data=_data(figure, alt, end))


def pickable_plot(figure: str, *, alt: str, end: str, key: str) -> Rectangle | None:
    """Shows a figure on which a viewer can click, or drag a box if its layout lets them.

    Args:
        figure: see `plot`.
        alt: see `plot`.
        end: see `plot`.
        key: see `plot`.

    Returns:
        What was pointed at since the last run; None if nothing was, as nearly always.
    """
    told = _component()(
        key=key,
        data={**_data(figure, alt, end), "picks": True},
        on_picked_change=lambda: None,
    )
    return _rectangle(told.picked)


def _data(figure: str, alt: str, end: str) -> dict[str, Any]:
    return {"figure": figure, "alt": alt, "end": end, "library": _LIBRARY, "config": _CONFIG}


def _rectangle(said: Any) -> Rectangle | None:  # noqa: ANN401  # whatever the browser sends
    """What a browser says was pointed at; None if it cannot be that."""
    match said:
        case {"x": [str(left), str(right)], "y": [int() | float() as low, int() | float() as high]}:
            first, last = sorted((left, right))
            return Rectangle((first, last), (min(low, high), max(low, high)))
        case _:
            return None


def serialised(traces: Sequence[Trace], layout: Mapping[str, Any]) -> str:
    """A figure as `plot` takes it.

    It is written down as Plotly's schema has it. `plotly.graph_objects` would check it against the
    schema every time, which takes longer than all else on a page; tests do so once.

    Args:
        traces: each with its `type`.
        layout: colours, fonts and grid that it leaves open follow the page's theme.
    """
    return orjson.dumps({"data": traces, "layout": {**layout, "template": {}}}).decode()


def library_route() -> Route:
    """Serves Plotly's own script from the installed package: the page asks nobody else for it."""
    return Route(_LIBRARY, _library)


def load() -> None:
    """Does before the first viewer comes what would otherwise be done for them."""
    _compressed_library()
    _component()


@functools.cache
def _component() -> Any:  # noqa: ANN401  # Streamlit has no public name for its type
    return st.components.v2.component(
        "saveguard_plot", js=_SCRIPT.read_text("utf-8"), isolate_styles=False
    )


@functools.cache
def _compressed_library() -> bytes:
    return gzip.compress(get_plotlyjs().encode(), 6)


def _library(_request: Request) -> Response:
    """Its address holds its version, so a browser asks once."""
    return Response(
        _compressed_library(),
        media_type="text/javascript",
        headers={
            "content-encoding": "gzip",
            "cache-control": "public, max-age=31536000, immutable",
        },
    )
