"""What every page says of alerts: a line while something CRITICAL fires, a number in the menu."""

from __future__ import annotations

from typing import Final

import streamlit as st

from dashboard import alerts_reads, alerts_words, engine_in_process, navigation, viewer
from dashboard.memory import Known
from dashboard.quote_words import cut
from dashboard.wording import counted
from engine.alerting.inhibition import is_loud
from engine.alerting.journal import LoggedAlert
from engine.alerting.rules import AlertSeverity

REFRESH_S: Final = 10
_NAMED: Final = 3


def draw() -> None:
    """A line above any page while something CRITICAL fires that nobody mutes; else nothing."""
    if not navigation.has(viewer.current(), "alerts"):
        return
    known = alerts_reads.firing(viewer.current())
    critical = [
        each
        for each in known.value or ()
        if each.severity == AlertSeverity.CRITICAL.name and is_loud(each.muted_by)
    ]
    if critical:
        _line(critical, known)


def menu_title(title: str) -> str:
    """The title of the page in the menu, with how many alerts fired at the last look."""
    known = alerts_reads.fired_before()
    return f"{title} ({len(known)})" if known else title


def _line(critical: list[LoggedAlert], known: Known[tuple[LoggedAlert, ...]]) -> None:
    now = engine_in_process.runtime().clock.now()
    named = ", ".join(cut(each.rule_id) for each in critical[:_NAMED])
    more = f" and {len(critical) - _NAMED} more" if len(critical) > _NAMED else ""
    oldest = min(each.fired_at for each in critical)
    fired = "fired when it was last read" if known.freshness.is_stale else "firing"
    with st.container(
        border=True, horizontal=True, vertical_alignment="center", key="critical-fires"
    ):
        st.badge("CRITICAL", color="red", icon=":material/e911_emergency:")
        st.text(
            f"{counted(len(critical), 'alert')} {fired}: {named}{more},"
            f" for {alerts_words.ticking(now - oldest)}",
            width="content",
        )
        st.page_link(navigation.PATHS["alerts"], label="What to do", width="content")
