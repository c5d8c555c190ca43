"""The rules: what each asks for and is in; and one edited, tried on the past, switched on."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import psycopg
import streamlit as st
from psycopg_pool import PoolTimeout

from dashboard import (
    alerts_actions,
    alerts_drawing,
    alerts_edit,
    alerts_live,
    alerts_reads,
    alerts_timeline,
    alerts_view,
    alerts_words,
    engine_in_process,
    entry,
    quote_drawing,
    told,
    viewer,
)
from dashboard.alerts_address import Asked
from dashboard.alerts_edit import Tried
from dashboard.alerts_reads import RuleBook
from dashboard.alerts_timeline import Timeline
from dashboard.long_reads import BusyError, long_reading
from dashboard.plot import plot
from dashboard.quote_words import cut
from dashboard.wording import literal
from engine.access.roles import Permission
from engine.alerting.backtest import Backtest, backtest
from engine.alerting.rule_words import tell_condition
from engine.alerting.rules import Rule
from engine.errors import SetupError

_PICK: Final = "pick_rule"
_TRIED: Final = "alerts_tried"
_ASKED: Final = "alerts_to_try"
_DAYS: Final = 30
_REASON_MAX: Final = 1_000
_ROWS_MAX: Final = 40
_FIRINGS_MAX: Final = 10
_IN_FORCE, _EDITED = "in force", "edited"


def rules(asked: Asked) -> None:
    """All rules, and the one that the address names."""
    if not entry.allows("alerts"):
        return
    known = alerts_reads.rule_book(viewer.current(), asked.rule_id, told.last())
    quote_drawing.stale(known, "The rules could not be read")
    if known.value is None:
        return
    book = known.value
    chosen = next((rule for rule in book.own if rule.id == asked.rule_id), None)
    _list(asked, book, is_beside_one=chosen is not None)
    if asked.rule_id is not None and chosen is None:
        st.warning("There is no rule with this id.", icon=":material/search_off:")
    if chosen is not None:
        _rule(asked, book, chosen)


def _list(asked: Asked, book: RuleBook, *, is_beside_one: bool) -> None:
    known = alerts_reads.standing(viewer.current(), told.last())
    standing = (
        {} if known.value is None else {each.rule_id: each for each in known.value.status.rules}
    )
    found = [(rule, _in_force(book, rule)) for rule in book.own]
    alerts_drawing.table(
        alerts_view.rules(found, standing),
        "rules",
        "Rules",
        {
            alerts_view.RULE: st.column_config.ButtonColumn(
                type="tertiary",
                key=_PICK,
                on_click=_open,
                args=(asked, book),
                width=225,
                alignment="left",
                help="Click for its runbook, to edit it and to try it on the past",
            ),
            alerts_view.STATE: alerts_drawing.coloured(
                {**alerts_words.STATES, alerts_view.OUT_OF_FORCE: "violet"}
            ),
        },
        # Whichever was chosen stands below, in sight.
        rows_max=6 if is_beside_one else _ROWS_MAX,
    )
    st.caption("Rules come with the release; click one to read its runbook, edit it and try it")


def _in_force(book: RuleBook, rule: Rule) -> Rule | None:
    return alerts_edit.in_force(rule, book.changes.get(rule.id, {}))


def _open(asked: Asked, book: RuleBook) -> None:
    position = st.session_state[_PICK].row
    if 0 <= position < len(book.own):
        alerts_drawing.go(asked, rule_id=book.own[position].id)


def _rule(asked: Asked, book: RuleBook, rule: Rule) -> None:
    now = _in_force(book, rule)
    with st.container(border=True, key="one-rule"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.header(f"{literal(rule.id)} {literal(rule.name)}", anchor=False, width="content")
            severity = rule.severity.name
            st.badge(severity, color=alerts_words.SEVERITIES[severity])
            if now is None:
                st.badge(alerts_view.OUT_OF_FORCE, color="violet")
            alerts_drawing.link(asked, "Close", rule_id=None)
        st.text(f"Fires when {tell_condition((now or rule).condition)}.")
        alerts_live.section_of(rule)
        if book.made:
            st.caption("What was changed of it here")
            alerts_drawing.table(
                alerts_view.changes(book.made), "rule_changes", "Changes of the rule", rows_max=4
            )
        if alerts_drawing.may_read():
            _edit(book, rule)


def _edit(book: RuleBook, rule: Rule) -> None:
    now = _in_force(book, rule)
    current = {**alerts_edit.written(rule, now), alerts_edit.ENABLED: now is not None}
    with st.form(f"edit_{rule.id}", enter_to_submit=False):
        st.caption(
            "Edit it, and see what it would have done. Nothing changes by trying. Who else is told,"
            " and what is counted, is the release's to say."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            for name, label in alerts_edit.LABELS.items():
                if name not in current or name == alerts_edit.ENABLED:
                    continue
                st.text_input(
                    label,
                    value=str(current[name]),
                    key=f"edit_{rule.id}_{name}",
                    width=250 if name == "least" else 170,
                    max_chars=20,
                    autocomplete="off",
                )
        if alerts_edit.ENABLED in current:
            st.checkbox(
                alerts_edit.LABELS[alerts_edit.ENABLED],
                value=bool(current[alerts_edit.ENABLED]),
                key=f"edit_{rule.id}_{alerts_edit.ENABLED}",
            )
        st.form_submit_button(
            f"Try it on the last {_DAYS} days",
            icon=":material/history:",
            on_click=_ask,
            args=(rule.id,),
        )
    state: Any = st.session_state
    if state.pop(_ASKED, None) == rule.id:
        state[_TRIED] = _try(book, rule, list(current))
    tried: Tried | None = state.get(_TRIED)
    if tried is not None and tried.rule_id == rule.id:
        _came_to(book, rule, tried)


def _ask(rule_id: str) -> None:
    state: Any = st.session_state
    state[_ASKED] = rule_id
    state.pop(_TRIED, None)


def _try(book: RuleBook, rule: Rule, names: list[str]) -> Tried | None:
    """Walks both through the past while somebody watches; None where that could not be done."""
    said = {name: st.session_state[f"edit_{rule.id}_{name}"] for name in names}
    try:
        body = alerts_edit.body_of(rule, said)
    except SetupError as error:
        _refused(f"{error}.")
        return None
    bar = st.progress(0.0, text=f"The last {_DAYS} days are gone through")
    try:
        now = _walk(_in_force(book, rule), bar, 0)
        then = _walk(alerts_edit.in_force(rule, body), bar, 1)
    except SetupError as error:
        return Tried(rule.id, body, None, None, str(error))
    except BusyError:
        _refused("Another long read is under way. Try again in a moment.")
        return None
    except (psycopg.Error, PoolTimeout):
        _refused("The past could not be gone through: the database has not answered.")
        return None
    finally:
        bar.empty()
    return Tried(rule.id, body, now, then)


def _walk(rule: Rule | None, bar: Any, number: int) -> Backtest | None:  # noqa: ANN401  # an element
    if rule is None:
        return None

    def show(done: int, of: int) -> None:
        which = (_IN_FORCE, _EDITED)[number]
        bar.progress((number + done / of) / 2, text=f"As {which}: {done} of {of} stretches read")

    runtime = engine_in_process.runtime()
    with long_reading(wait_s=0) as connection:
        return backtest(connection, rule, now=runtime.clock.now(), days=_DAYS, progress=show)


def _refused(words: str) -> None:
    with st.container(border=True, horizontal=True, vertical_alignment="center", key="not-tried"):
        st.badge("Not tried", color="red")
        st.text(words)


def _came_to(book: RuleBook, rule: Rule, tried: Tried) -> None:
    with st.container(border=True, key="tried"):
        st.header(f"The last {_DAYS} days", anchor=False)
        st.text(f"Edited: {alerts_words.changed(tried.body)}.")
        if tried.reason:
            st.text(f"{tried.reason}.")
        else:
            _past(rule, tried)
        if dict(tried.body) == dict(book.changes.get(rule.id, {})):
            st.caption("This is how it is in force.")
        elif viewer.current().may(Permission.CHANGE_RULES):
            _switch_on(rule, tried)
        else:
            st.caption("A lead switches it on.")


def _past(rule: Rule, tried: Tried) -> None:
    for label, found in (("As it is in force", tried.now), ("As edited", tried.then)):
        st.text(f"{label}: {alerts_edit.summary(found)}")
    shown = tried.then or tried.now
    if shown is None:
        return
    severity = rule.severity.name
    bars = [
        *alerts_timeline.bars_of(_IN_FORCE, severity, tried.now.firings if tried.now else ()),
        *alerts_timeline.bars_of(_EDITED, severity, tried.then.firings if tried.then else ()),
    ]
    timeline = Timeline(shown.since, shown.until, bars, (_IN_FORCE, _EDITED))
    plot(
        alerts_timeline.draw(timeline),
        alt=alerts_timeline.told(timeline),
        end=shown.until.isoformat(),
        key="tried_timeline",
    )
    if shown.by_minute_since > shown.since:
        st.caption(
            f"Looked at minute by minute since {shown.by_minute_since:%Y-%m-%d %H:%M} UTC, hour by"
            " hour before that: of older bursts less shows."
        )
    if tried.then is not None and tried.then.firings:
        alerts_drawing.table(_firings(tried.then), "firings", "When it would have fired")


def _firings(found: Backtest) -> pd.DataFrame:
    newest = list(reversed(found.firings))
    return pd.DataFrame(
        {
            "Fired, UTC": [alerts_view.stamp(each.began.at) for each in newest],
            "Lasted": [
                alerts_words.ticking(each.lasted) + ("" if each.ended else ", still")
                for each in newest
            ],
            "Why": [cut(each.began.reason) for each in newest],
        }
    )


def _switch_on(rule: Rule, tried: Tried) -> None:
    key = f"why_{rule.id}"
    with st.form(f"switch_on_{rule.id}", border=False, enter_to_submit=False):
        st.text_area(
            "Why",
            key=key,
            max_chars=_REASON_MAX,
            height=80,
            placeholder="What was wrong with it, and how you know",
        )
        st.form_submit_button(
            "Take the changes back" if not tried.body else "Switch it on",
            icon=":material/toggle_on:",
            type="primary",
            on_click=_change,
            args=(tried, key),
        )
        st.caption(
            "The rules are linted with it: one that is looser than the objective it guards, that"
            " another one shadows, or that does not fire where its tests say that it has to, is"
            " refused. It holds from the next evaluation on."
        )


def _change(tried: Tried, key: str) -> None:
    if not entry.allows("alerts"):
        return
    state: Any = st.session_state
    done = alerts_actions.change_rule(tried.rule_id, tried.body, state[key].strip())
    told.leave(done, f"{tried.rule_id} is changed: {alerts_words.changed(tried.body)}.")
    if done.refusal is None:
        state[key] = ""
        state.pop(_TRIED, None)
