"""What the tests of the page of readiness share: the page, a release, and people who sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.viewer import Viewer
from engine.access.audit import Actor, Way, terminal_actor
from engine.readiness.looking import Readiness
from engine.runtime import Runtime
from tests.dashboard.conftest import APP
from tests.database.releases import readiness_of, released

# Two boxes, of which nothing is known by itself: each takes a person's word.
SMALL = """# Small

## Pre-Deployment Checklist

### Phase 1: First steps

- [ ] Read the plan
- [ ] Ask the team
  - [ ] by mail

### Phase 2: Last steps

- [ ] Lock the door

## Post-Deployment Checklist

### Phase 1: Watch (0-15 minutes)

- [ ] Look at it
"""


@dataclass(frozen=True)
class Desk:
    """An engine with one release, and whoever looks at it."""

    engine: Runtime
    release_id: UUID

    def now(self) -> Readiness:
        """How the release stands."""
        runtime = self.engine
        return readiness_of(runtime.target, runtime.settings, runtime.clock, self.release_id)

    def state(self, box_id: str) -> str:
        """How a box stands."""
        return self.now().standings[box_id].state.value


def acting(viewer: Viewer) -> Actor:
    """Somebody at a page, as the page names them."""
    return Actor(viewer.account_id, viewer.name, Way.PAGE, "192.0.2.1", "REQ-OF-A-TEST")


def desk(engine: Runtime, viewer: Viewer, **changes: Any) -> Desk:
    """A release of our own checklist unless said; made by whoever looks only if its author is."""
    plan = {"environment": engine.settings.environment, **changes}
    is_own = changes.get("author") == ""
    maker = acting(viewer) if is_own else terminal_actor(engine.clock, "ops")
    made = released(engine.target, engine.clock, maker, **plan)
    return Desk(engine, made)


def opened(**address: str) -> AppTest:
    """The page at an address, for somebody who comes now; time stands still, memory would too."""
    st.cache_resource.clear()
    page = AppTest.from_file(str(APP), default_timeout=60)
    page.switch_page("../pages/readiness.py")
    for name, value in address.items():
        page.query_params[name] = value
    return again(page)


def again(page: AppTest) -> AppTest:
    """The page, drawn once more."""
    page.run()
    assert not page.exception, page.exception
    return page


def press(page: AppTest, label: str) -> AppTest:
    """The page, after a click on the button with a label."""
    (button,) = [each for each in page.button if each.label.replace("\\", "") == label]
    button.click()
    return again(page)


def labels(page: AppTest) -> list[str]:
    """What can be pressed."""
    return [each.label.replace("\\", "") for each in page.button]


def table(page: AppTest, alt: str) -> list[dict[str, Any]]:
    """The rows of a table."""
    found = [each for each in page.dataframe if each.proto.alt == alt]
    return cast("list[dict[str, Any]]", found[0].value.to_dict("records")) if found else []


def told(page: AppTest) -> str:
    """What is said in plain text."""
    return "\n".join(each.value for each in page.text)


def interpreted(page: AppTest) -> str:
    """What is said as Markdown."""
    elements = [*page.markdown, *page.caption, *page.header, *page.warning, *page.error, *page.info]
    return "\n".join(each.value for each in elements)
