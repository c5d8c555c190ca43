"""What the tests of the page of alerts share: the page at an address, and a past to look at."""

from __future__ import annotations

from typing import Any

import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.dashboard.conftest import APP
from tests.dashboard.readiness import again


def opened(**address: str) -> AppTest:
    """The page at an address, for somebody who comes now; time stands still, memory would too."""
    st.cache_resource.clear()
    page = AppTest.from_file(str(APP), default_timeout=60)
    page.switch_page("../pages/alerts.py")
    for name, value in {"refresh": "Paused", **address}.items():
        page.query_params[name] = value
    return again(page)


def badges(page: AppTest) -> list[str]:
    """The coloured words, as Markdown has them."""
    return [each.value for each in page.markdown if "-badge[" in each.value]


def cards(page: AppTest) -> dict[str, tuple[str, Any]]:
    """The watch over the watcher: label → value and verdict."""
    return {each.label: (each.value, each.delta) for each in page.metric}


def links(page: AppTest) -> list[str]:
    """Where links lead, with their parameters."""
    return [f"{each.proto.page}?{each.proto.query_string}" for each in page.get("page_link")]
