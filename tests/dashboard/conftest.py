"""Pages run without a browser, on an engine of the test's own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import plotly.graph_objects as go
import psycopg
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

from dashboard import engine_in_process, memory, plot, viewer
from dashboard.viewer import Viewer
from engine.access.roles import Role
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.runtime import Runtime, open_runtime
from engine.settings import Settings
from tests.dashboard.attempts import END
from tests.dashboard.viewers import Seat, account_of

_PATIENCE_S = 30.0
APP = Path(__file__).resolve().parents[2] / "dashboard" / "app.py"


@pytest.fixture(autouse=True, scope="session")
def _components_are_looked_for_once() -> Iterator[None]:
    """What is installed stays as it is; each run of a page would read all of it for 160 ms."""
    with pytest.MonkeyPatch.context() as patch:
        once = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", once)
        yield


@pytest.fixture(autouse=True)
def _empty_caches() -> Iterator[None]:
    """No test sees what another one read."""
    st.cache_resource.clear()
    yield
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def _time_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine, a look waits for the read that it has asked for."""
    monkeypatch.setattr(memory, "_GLANCE_S", _PATIENCE_S)


@pytest.fixture(autouse=True)
def _figures_as_in_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every figure that a test has drawn is held against Plotly's schema."""
    serialised = plot.serialised

    def checked(traces: Sequence[plot.Trace], layout: Mapping[str, Any]) -> str:
        text = serialised(traces, layout)
        go.Figure(json.loads(text))  # raises ValueError
        return text

    monkeypatch.setattr(plot, "serialised", checked)


@pytest.fixture
def engine(settings: Settings, target: Target) -> Iterator[Runtime]:
    """The engine that the page reads from, at an instant that does not move."""
    with open_runtime(settings, target, clock=FrozenClock(END)) as opened:
        engine_in_process.provide(opened)
        yield opened
        engine_in_process.provide(None)


@pytest.fixture
def connection(engine: Runtime) -> Iterator[psycopg.Connection[Any]]:
    """For putting attempts into the ledger of that engine."""
    with psycopg.connect(engine.target.app, autocommit=True) as opened:
        yield opened


def plain_texts(page: AppTest) -> list[str]:
    """What a page says in plain text, but for the line above it that says who looks at it."""
    return [each.value for each in page.text if not each.value.startswith("Local mode · ")]


@pytest.fixture
def page() -> AppTest:
    """The dashboard, not yet run; it opens on the overview."""
    return AppTest.from_file(str(APP), default_timeout=30)


@pytest.fixture
def seat(engine: Runtime, monkeypatch: pytest.MonkeyPatch) -> Seat:
    """Seats somebody with a role before the pages, with an account that has it, too."""

    def take(
        role: Role | None, *, agent_id: UUID | None = None, account_id: UUID | None = None
    ) -> Viewer:
        who = Viewer(agent_id, role, account_id or account_of(engine, role), f"the {role}")
        monkeypatch.setattr(viewer, "current", lambda: who)
        return who

    return take
