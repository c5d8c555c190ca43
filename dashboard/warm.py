"""Everything heavy that pages import, loaded and used once at start-up."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go


def render_once() -> None:
    """Builds and serialises a small figure from a small frame, so that lazy imports are done."""
    frame = pd.DataFrame({"x": [0, 1], "y": [0.0, 1.0]})
    go.Figure(go.Scatter(x=frame["x"], y=frame["y"])).to_json()
