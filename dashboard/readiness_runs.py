"""Lets a machine look at boxes while somebody watches: a bar, and what is found as it comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import streamlit as st
from sqlalchemy.exc import DBAPIError

from dashboard import acting, actions, engine_in_process, readiness_words, told, viewer
from dashboard.actions import Outcome
from dashboard.quote_words import cut
from dashboard.wording import literal
from engine.errors import ErrorCode, Refusal, SetupError
from engine.logs import report
from engine.readiness.apart import run_apart
from engine.readiness.items import Item
from engine.readiness.knowledge import Release
from engine.readiness.probes.probe import Found
from engine.readiness.run_permit import ask_to_run
from engine.runtime import Runtime


def watch(release: Release, items: Sequence[Item], *, place: str) -> None:
    """Looks, puts down what is found, and leaves words on it.

    Args:
        release: whose boxes.
        items: of the boxes.
        place: of the page where the words are said; see `told.draw`.
    """
    runtime = engine_in_process.runtime()
    asked = actions.act(
        lambda session, clock, actor: ask_to_run(
            session, clock, actor, runtime.settings, release, len(items)
        )
    )
    if asked.refusal is not None:
        told.leave(asked, "", place=place)
        return
    told.leave(*_run(runtime, asked, release, items), place=place)


def _run(
    runtime: Runtime, asked: Outcome[UUID], release: Release, items: Sequence[Item]
) -> tuple[Outcome[UUID], str]:
    actor = replace(
        acting.actor(viewer.current(), runtime.clock), correlation_id=asked.correlation_id
    )
    bar = st.progress(0.0, text=f"{readiness_words.boxes(len(items))} to look at")
    with st.container(key="readiness-run", height=200):
        came = st.empty()
    lines: list[str] = []

    def show(item: Item, found: Found, done: int, total: int) -> None:
        bar.progress(done / total, text=f"{done} of {total}, last {literal(item.id)}")
        # The newest first: what came last is in sight.
        lines.insert(0, f"{item.id} {found.verdict.value}: {cut(found.reason)}")
        came.text("\n".join(lines))

    try:
        found = run_apart(runtime, actor, release, items, show)
    except SetupError as error:
        words = f"{str(error)[:1].upper()}{str(error)[1:]}."
        refusal = Refusal(ErrorCode.QUOTE_STATE_INVALID, words)
        return replace(asked, value=None, refusal=refusal), ""
    except DBAPIError as error:
        report(asked.correlation_id, error.orig or error)
        refusal = Refusal(
            ErrorCode.DATABASE_TIMEOUT,
            "The database has not taken what was found; what is listed was put down before that.",
        )
        return replace(asked, value=None, refusal=refusal), ""
    return asked, readiness_words.ran(found.values(), len(items) - len(found))
