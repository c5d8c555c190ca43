"""What all charts share: their frame, the colours that mean something, and the figure of nothing.

Colours come from the theme's palette, except where they mean something: then they are written here
and read well on both the light and the dark ground, so that switching the theme needs no redraw.
"""

from __future__ import annotations

from typing import Any, Final

from dashboard import plot

# What callers got wrong, what we did, and what is promised.
AMBER: Final = "#D97706"
RED: Final = "#DC2626"
SLATE: Final = "#64748B"

# A sentence needs less room than a curve.
_HEIGHT_OF_NOTHING: Final = 96
# Pixels between an axis and its labels.
STANDOFF: Final = 6


def layout(height: int, **special: Any) -> dict[str, Any]:  # noqa: ANN401  # as in Plotly's schema
    """The layout that every figure has, and what is special to one.

    Args:
        height: of the figure, in pixels.
        special: by the names of Plotly's layout; what is told of an axis is added to what all have.
    """
    found: dict[str, Any] = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        # The same for every refresh: what the viewer did to the chart stays.
        "uirevision": "overview",
        "dragmode": False,
        "xaxis": {"fixedrange": True},
        "yaxis": {"fixedrange": True},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "showlegend": True,
    }
    for name, value in special.items():
        found[name] = {**found.get(name, {}), **value} if isinstance(value, dict) else value
    return found


def nothing(words: str) -> str:
    """The frame with a sentence instead of a curve."""
    # Without a margin of their own: the labels of the figure before would push the words aside.
    axis = {"visible": False, "automargin": False}
    said = {
        "text": words,
        "x": 0.5,
        "y": 0.5,
        "xref": "paper",
        "yref": "paper",
        "showarrow": False,
        "font": {"size": 14},
    }
    return plot.serialised(
        (),
        layout(_HEIGHT_OF_NOTHING, showlegend=False, xaxis=axis, yaxis=axis, annotations=[said]),
    )
