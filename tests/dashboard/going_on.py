"""Somebody who presses something, and something else while the first is still being done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlmodel import Session
from streamlit.runtime.scriptrunner import RerunData, get_script_run_ctx

from dashboard import actions
from engine.database.sessions import session_of


def going_on_meanwhile(patch: pytest.MonkeyPatch) -> None:
    """Has the browser ask for another run before each act on a page is over."""

    @contextmanager
    def interrupted(*given: Any) -> Iterator[Session]:
        with session_of(*given) as session:
            yield session
            run = get_script_run_ctx()
            assert run is not None
            assert run.script_requests is not None
            assert run.script_requests.request_rerun(
                RerunData(query_string=run.query_string, page_script_hash=run.page_script_hash)
            )

    patch.setattr(actions, "session_of", interrupted)
