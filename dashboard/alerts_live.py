"""The part of the page of alerts that refreshes itself: what fires, and whether to believe it.

It has no form in it: what somebody fills in stands below, and is left alone.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import streamlit as st

from dashboard import (
    alerts_drawing,
    alerts_reads,
    alerts_view,
    alerts_words,
    engine_in_process,
    entry,
    lookup_link,
    panels,
    receipts,
    runbook,
    status,
    status_line,
    told,
    viewer,
    wording,
)
from dashboard.alerts_address import Asked
from dashboard.alerts_reads import Standing
from dashboard.quote_words import cut
from dashboard.wording import Words, literal
from engine.alerting.rules import Rule
from engine.alerting.states import RuleState
from engine.alerting.status import FiringAlert
from engine.alerting.worst import bad_of
from engine.correlation import accepted_correlation_id
from engine.rollups.selection import Selection

_SHOWN_MAX: Final = 12
_ROWS_MAX: Final = 8


def head(refresh_s: int | None) -> None:
    """One line that every view of the page has: how many fire, and how fresh that is."""
    if not entry.allows("alerts"):
        return
    known = alerts_reads.standing(viewer.current(), told.last())
    instant = engine_in_process.runtime().clock.now()
    zone = wording.zone_of(st.context.timezone, instant)
    read_at = None if known.value is None else known.value.status.read_at
    notice = status.outage(known.freshness, read_at, zone, instant)
    status_line.draw(
        notice,
        () if known.value is None else _badges(known.value, refresh_s, instant),
        ""
        if read_at is None
        else f"As of {wording.clock_time(read_at, zone, None if refresh_s is None else instant)}",
    )


def firing(asked: Asked) -> None:
    """What is wrong now: the live part of the first view."""
    if not entry.allows("alerts"):
        return
    known = alerts_reads.standing(viewer.current(), told.last())
    if known.value is not None:
        _firing(asked, known.value, engine_in_process.runtime().clock.now())


def watch() -> None:
    """Whether to believe it, and what may come: the live part below that."""
    if not entry.allows("alerts"):
        return
    known = alerts_reads.standing(viewer.current(), told.last())
    if known.value is None:
        return
    found, instant = known.value, engine_in_process.runtime().clock.now()
    panels.cards(alerts_view.watch(found.status, instant))
    _states(found, RuleState.PENDING, "Pending", "Nothing is about to fire", instant)
    _states(found, RuleState.UNKNOWN, "Unknown", "Every rule can say", instant)


def _badges(found: Standing, refresh_s: int | None, instant: datetime) -> tuple[Words, ...]:
    live = Words("Paused", "gray")
    if refresh_s is not None:
        live = Words(f"Live, every {refresh_s} s", "blue")
    shown = [alerts_words.headline(found.status, instant), live]
    age = alerts_words.evaluator(found.status.ticks, instant)
    if found.status.ticks.is_alive(instant):
        shown.append(Words(f"Evaluated {age.text}", "green"))
    else:
        shown.append(Words(f"The evaluator stands still: last look {age.text}", "red"))
    if not found.status.heartbeat.is_configured:
        shown.append(Words("Watcher outside: not configured", "red"))
    if not found.has_channel:
        shown.append(Words("No channel is configured: nobody is told", "red"))
    held = found.status.silences
    if held:
        shown.append(Words("1 silence holds" if held == 1 else f"{held} silences hold", "orange"))
    return tuple(shown)


def _firing(asked: Asked, found: Standing, instant: datetime) -> None:
    alerts = found.status.firing
    st.header("Firing", anchor=False)
    if not alerts:
        _calm(found, instant)
        return
    rules = {rule.id: rule for rule in found.rules}
    for number, alert in enumerate(alerts[:_SHOWN_MAX]):
        _alert(asked, found, alert, rules.get(alert.rule_id), number, instant)
    if len(alerts) > _SHOWN_MAX:
        st.caption(f"The {_SHOWN_MAX} worst of {len(alerts)}; History lists all of them")


def _calm(found: Standing, instant: datetime) -> None:
    """Green only while somebody looks, and has something to look at."""
    said = alerts_words.headline(found.status, instant)
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="calm"):
        if said.colour == "green":
            last = found.status.ticks.last_at
            st.badge("Nothing fires", color="green", icon=":material/check_circle:")
            st.text(
                f"{wording.counted(len(found.status.rules), 'rule')} evaluated"
                f" {alerts_words.ago(last, instant)}."
            )
        else:
            st.badge("Unknown", color="gray", icon=":material/help:")
            st.text(f"{said.text}.")


def _alert(
    asked: Asked,
    found: Standing,
    alert: FiringAlert,
    rule: Rule | None,
    number: int,
    instant: datetime,
) -> None:
    severity = alert.severity.name
    muted = alerts_words.muted(alert.muted_by, found.reasons)
    with st.container(border=True, gap="xxsmall", key=f"firing-{severity.lower()}-{number}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.badge(severity, color=alerts_words.SEVERITIES[severity])
            name_of(alert.rule_id, rule)
            st.text(f"for {alerts_words.ticking(instant - alert.fired_at)}", width="content")
            if muted:
                st.badge(
                    alerts_words.mute(alert.muted_by),
                    color="gray",
                    icon=":material/notifications_off:",
                )
        st.text(alerts_words.message(alert.message, rule))
        by_now = alerts_words.by_now(alert, found.status)
        if by_now:
            st.text(by_now)
        if muted:
            st.text(muted)
        since = wording.clock_time(
            alert.fired_at, wording.zone_of(st.context.timezone, instant), instant
        )
        st.caption(
            f"Since {since} · {alerts_words.code(alert.error_code)}"
            f" · {alerts_words.told(alert, instant)}"
        )
        st.text(alerts_words.in_hand(alert, instant))
        with st.container(horizontal=True, vertical_alignment="center", key=f"lead-{number}"):
            alerts_drawing.link(
                asked,
                "Take it in hand" if alert.acknowledged_at is None else "All of it",
                alert_id=alert.id,
            )
            _leads(alert, rule)
        section_of(rule)


def _leads(alert: FiringAlert, rule: Rule | None) -> None:
    if not alerts_drawing.may_read():
        return
    story_link(alert.correlation_id)
    window_link(rule, alert.fired_at)


def window_link(rule: Rule | None, fired_at: datetime) -> None:
    """A link to the attempts that made a rule fire; none where it is about no attempts."""
    bad = None if rule is None else bad_of(rule.condition)
    if bad is not None:
        receipts.link(
            Selection(bad.window(fired_at), bad.wanted, bad.part), "Attempts of its window"
        )


def name_of(rule_id: str, rule: Rule | None) -> None:
    """A rule's id and name; of one that is not in force a text, which may be anything.

    Escaped Markdown would not do for that: what looks like an address becomes a link all the same.
    """
    if rule is None:
        st.text(cut(rule_id), width="content")
    else:
        st.markdown(f"**{literal(rule.id)}** {literal(rule.name)}", width="content")


def story_link(correlation_id: str) -> None:
    """A link to the story of a correlation id; what cannot be one is only told."""
    if accepted_correlation_id(correlation_id) is None:
        st.text(cut(correlation_id), width="content")
    else:
        lookup_link.link(correlation_id, literal(correlation_id))


def section_of(rule: Rule | None, *, is_open: bool = False) -> None:
    """What the runbook says of a rule, in place."""
    if rule is None:
        st.caption("The rule is not in force any more: the runbook may not have it.")
        return
    title = rule.runbook or rule.id
    with st.expander(f"Runbook {literal(title)}", icon=":material/menu_book:", expanded=is_open):
        said = runbook.alert_section(title)
        if said is None:
            st.text(runbook.not_installed(title, runbook.ALERTS_NAME))
        else:
            st.markdown(said)


def _states(found: Standing, state: RuleState, title: str, nothing: str, instant: datetime) -> None:
    standings = found.status.in_state(state)
    st.header(f"{title}: {len(standings)}" if standings else title, anchor=False)
    if not standings:
        is_alive = found.status.ticks.is_alive(instant)
        st.caption(nothing if is_alive else "Not known: nobody evaluates")
        return
    alerts_drawing.table(
        alerts_view.states(standings, instant).drop(columns=alerts_view.STATE),
        state.value,
        f"{title} rules",
        rows_max=_ROWS_MAX,
    )
