"""Alerting as cards and tables: what stands in which column, as text that nobody interprets.

Pure functions. Messages, remarks, reasons and answers are others' words: they are in tables and for
`st.text` only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import pandas as pd

from dashboard import alerts_words as words
from dashboard import lookup_link
from dashboard.alerts_reads import Hidden, OneAlert
from dashboard.cards import Card
from dashboard.quote_words import cut
from dashboard.wording import Words, counted
from engine.alerting.channel_status import ChannelStatus
from engine.alerting.journal import (
    LoggedAlert,
    LoggedNotice,
    LoggedSilence,
    LoggedTransition,
    LoggedTry,
)
from engine.alerting.rule_changes import RuleChange
from engine.alerting.rule_words import tell_condition
from engine.alerting.rules import Rule
from engine.alerting.states import RuleState
from engine.alerting.status import AlertingStatus, RuleStanding

OPEN: Final = "Alert"
RULE: Final = "Rule"
STATE: Final = "State"
SEVERITY: Final = "Severity"
CORRELATION_ID: Final = "Correlation id"
WENT_TO: Final = "Went to"
_SHORT: Final = 8


def watch(found: AlertingStatus, now: datetime) -> tuple[Card, ...]:
    """The watch over the watcher: whether what is said of alerts can be believed."""
    ticks, interval = found.ticks, int(found.ticks.interval.total_seconds())
    evaluator, gaps, lag = words.evaluator(ticks, now), words.gaps(ticks), words.lag(ticks)
    heartbeat = words.heartbeat(found.heartbeat, ticks.interval, now)
    unknown = len(found.in_state(RuleState.UNKNOWN))
    is_alive = ticks.is_alive(now)
    return (
        Card(
            "Last evaluation",
            evaluator.text,
            Words("alive" if is_alive else "stands still", evaluator.colour),
            f"due every {interval} s",
            "How long ago all rules were evaluated. After two intervals without it nobody knows"
            " whether something is wrong.",
        ),
        Card(
            "Evaluations in 24 h",
            f"{ticks.count:,}",
            gaps,
            "by their numbers" if ticks.count else "none in 24 h",
            "Each evaluation has a number. One that is missing is a time of blindness.",
        ),
        Card(
            "Lag",
            "unknown" if ticks.lag_p99_s is None else f"{ticks.lag_p99_s:.1f} s",
            lag if ticks.lag_p99_s is not None else None,
            "of all but 1 in 100 evaluations",
            "How long after it was due an evaluation began, in the last 24 hours.",
        ),
        Card(
            "Watcher outside",
            "none" if not found.heartbeat.is_configured else heartbeat.text,
            heartbeat if not found.heartbeat.is_configured else _answers(heartbeat),
            "ALERT_HEARTBEAT_URL is not set"
            if not found.heartbeat.is_configured
            else cut(found.heartbeat.reason or "the last heartbeat was acknowledged"),
            "Something that nobody here runs, and that notices when the evaluator does not ask for"
            " its address any more. Without it nobody notices when all of this stops.",
        ),
        Card(
            "Rules",
            f"{len(found.rules):,}",
            Words(f"{unknown:,} cannot say" if unknown else "all can say", "gray"),
            f"{counted(found.watchers, 'process').replace('processs', 'processes')} watching",
            "Rules that were evaluated. One cannot say while it has too little to measure: that is"
            " neither good nor bad.",
        ),
    )


def _answers(heartbeat: Words) -> Words:
    return Words("hears us" if heartbeat.colour == "green" else "hears nothing", heartbeat.colour)


def states(found: Sequence[RuleStanding], now: datetime) -> pd.DataFrame:
    """Rules that are in some state, one a row."""
    return pd.DataFrame(
        {
            RULE: [each.rule_id for each in found],
            STATE: [[each.state.value] for each in found],
            "For": [words.ticking(now - each.since) for each in found],
            "Why": [cut(each.reason) for each in found],
            "Name": ["" if each.rule is None else each.rule.name for each in found],
            SEVERITY: [[words.severity_of(each.rule)] for each in found],
        }
    )


def alerts(found: Sequence[LoggedAlert], rules: Mapping[str, Rule], now: datetime) -> pd.DataFrame:
    """Alerts, one a row; what opens one stands first.

    Args:
        found: in the order in which they are shown.
        rules: by id; of the others the name is not known.
        now: the present instant.
    """
    return pd.DataFrame(
        {
            OPEN: [lookup_link.label(cut(each.rule_id)) for each in found],
            SEVERITY: [[each.severity] for each in found],
            "Fired, UTC": [stamp(each.fired_at) for each in found],
            "Lasted": [_lasted(each, now) for each in found],
            "Message": [words.message(each.message, rules.get(each.rule_id)) for each in found],
            "Code": [cut(each.error_code) for each in found],
            "In hand": [
                "nobody" if each.acknowledged_by is None else cut(each.acknowledged_by)
                for each in found
            ],
            "Turned out": [each.disposition or "" for each in found],
            "Remark": [cut(each.remark or "") for each in found],
            "Told": [words.mute(each.muted_by) or _told(each) for each in found],
            "Name": [rules[each.rule_id].name if each.rule_id in rules else "" for each in found],
        }
    )


def transitions(found: Sequence[LoggedTransition], *, has_ids: bool) -> pd.DataFrame:
    """How rules changed their states, one change a row.

    Args:
        found: in the order in which they are shown.
        has_ids: whether correlation ids may be seen.
    """
    columns: dict[str, list[object]] = {
        "When, UTC": [stamp(each.happened_at) for each in found],
        RULE: [each.rule_id for each in found],
        WENT_TO: [[each.after] for each in found],
        "From": [each.before for each in found],
        "After": [words.seconds(each.lasted) for each in found],
        "Why": [cut(each.reason) for each in found],
        "Numbers": [words.numbers(each.numbers) for each in found],
    }
    if has_ids:
        columns[CORRELATION_ID] = [each.correlation_id for each in found]
    columns["Tick"] = ["watchdog" if each.tick is None else f"{each.tick:,}" for each in found]
    columns["Told"] = [words.mute(each.muted_by) for each in found]
    return pd.DataFrame(columns)


def notices(found: Sequence[LoggedNotice], now: datetime) -> pd.DataFrame:
    """What was to be told, one notice a row."""
    return pd.DataFrame(
        {
            "Decided, UTC": [stamp(each.made_at) for each in found],
            STATE: [[each.state] for each in found],
            "Channel": [each.channel for each in found],
            RULE: [
                cut(each.rule_id) + (f" and {each.others} more" if each.others else "")
                for each in found
            ],
            "Kind": [
                each.kind + (", perhaps again" if each.is_perhaps_repeated else "")
                for each in found
            ],
            "Tries": [each.tries for each in found],
            "Took": [words.seconds(each.took) for each in found],
            "Why not": [_why_not(each, now) for each in found],
            "Answer": [cut(each.answer or "") for each in found],
            "Receipt": [cut(each.receipt or "") for each in found],
        }
    )


def tries(found: Sequence[LoggedTry]) -> pd.DataFrame:
    """Tries to send, one a row."""
    return pd.DataFrame(
        {
            "Began, UTC": [stamp(each.started_at) for each in found],
            "Channel": [each.channel for each in found],
            "Try": [each.number for each in found],
            "Result": [cut(each.result) for each in found],
            "Took": [words.seconds(each.ended_at - each.started_at) for each in found],
            "Status": ["" if each.status is None else str(each.status) for each in found],
            "Why not": [each.reason or "" for each in found],
            "Answer": [cut(each.answer or "") for each in found],
        }
    )


def facts_of(one: OneAlert, now: datetime, *, may_read: bool) -> pd.DataFrame:
    """An alert, a fact a row.

    Args:
        one: the alert.
        now: the present instant.
        may_read: whether correlation ids may be seen.
    """
    alert, rule = one.alert, one.rule
    rows = [
        ("Rule", f"{alert.rule_id} {'' if rule is None else rule.name}".strip()),
        ("Severity", alert.severity),
        ("Since", f"{stamp(alert.fired_at)} UTC"),
        ("Fires" if alert.resolved_at is None else "Lasted", words.ticking(alert.lasted(now))),
        ("Code", cut(alert.error_code)),
        ("In hand", _in_hand(alert)),
    ]
    if alert.resolved_at is not None:
        rows.insert(4, ("Over", f"{stamp(alert.resolved_at)} UTC"))
    if alert.disposition:
        rows.append(("Turned out to be", alert.disposition))
    if alert.remark:
        rows.append(("Remark", cut(alert.remark)))
    muted = words.muted(alert.muted_by, one.silences)
    if muted:
        rows.append(("Muted", muted))
    if may_read:
        rows.append(("Correlation id", cut(alert.correlation_id)))
    rows += words.facts(alert.numbers)
    return pd.DataFrame(rows, columns=["Fact", "Value"])


def silences(found: Sequence[LoggedSilence], now: datetime) -> pd.DataFrame:
    """Silences, one a row."""
    return pd.DataFrame(
        {
            STATE: [[silence_state(each, now)] for each in found],
            "What": [words.matcher(each.matcher) for each in found],
            "Why": [cut(each.reason) for each in found],
            "By": [cut(each.made_by) for each in found],
            "Since, UTC": [stamp(each.made_at) for each in found],
            "Until, UTC": [stamp(each.ended_at or each.expires_at) for each in found],
            "Ended by": [cut(each.ended_by or "") for each in found],
        }
    )


def silence_state(silence: LoggedSilence, now: datetime) -> str:
    """Whether it holds, or how it came to its end."""
    if silence.holds(now):
        return "holds"
    return "over" if silence.ended_at is None else "ended"


def hidden(found: Sequence[Hidden], now: datetime) -> pd.DataFrame:
    """What a silence would have hidden, one alert a row."""
    return pd.DataFrame(
        {
            RULE: [each.rule_id for each in found],
            SEVERITY: [[each.severity] for each in found],
            "Fired, UTC": [stamp(each.fired_at) for each in found],
            "Lasted": [words.ticking((each.resolved_at or now) - each.fired_at) for each in found],
            "Message": [cut(each.message) for each in found],
        }
    )


def rules(
    found: Sequence[tuple[Rule, Rule | None]], standing: Mapping[str, RuleStanding]
) -> pd.DataFrame:
    """Rules, one a row.

    Args:
        found: each as the release has it, and as it is in force; None for out of force.
        standing: what each is in, by id.
    """

    def state(rule: Rule, is_in_force: bool) -> str:  # noqa: FBT001  # private
        if not is_in_force:
            return OUT_OF_FORCE
        known = standing.get(rule.id)
        return RuleState.UNKNOWN.value if known is None else known.state.value

    shown = [(own, own if now is None else now, now is not None) for own, now in found]
    return pd.DataFrame(
        {
            RULE: [own.id for own, _, _ in shown],
            STATE: [[state(own, is_in_force)] for own, _, is_in_force in shown],
            SEVERITY: [[rule.severity.name] for _, rule, _ in shown],
            "Fires when": [tell_condition(rule.condition) for _, rule, _ in shown],
            "Threshold": [words.threshold(rule.condition) for _, rule, _ in shown],
            "Changed here": ["yes" if own != rule else "" for own, rule, _ in shown],
            "Told to": [", ".join(rule.channels) for _, rule, _ in shown],
            "Timing": [words.timing(rule) for _, rule, _ in shown],
            "Guards": [", ".join(sorted(rule.guards)) for _, rule, _ in shown],
            "Name": [rule.name for _, rule, _ in shown],
        }
    )


OUT_OF_FORCE: Final = "out of force"


def changes(found: Sequence[RuleChange]) -> pd.DataFrame:
    """Changes of a rule, one a row."""
    return pd.DataFrame(
        {
            "When, UTC": [stamp(each.made_at) for each in found],
            "By": [cut(each.made_by) for each in found],
            "What": [words.changed(each.body) for each in found],
            "Why": [cut(each.reason) for each in found],
        }
    )


def channels(
    found: Sequence[ChannelStatus], tests: Mapping[str, LoggedNotice], now: datetime
) -> pd.DataFrame:
    """Channels by what they have done in a week, one a row."""
    return pd.DataFrame(
        {
            "Channel": [each.name.value for each in found],
            STATE: [["not configured" if each.missing else "configured"] for each in found],
            "Delivered": [each.delivered for each in found],
            "Failed": [each.failed for each in found],
            "Waiting": [each.waiting + each.not_configured for each in found],
            "Usually takes": [words.seconds(each.latency_median) for each in found],
            "Last delivered": [words.ago(each.delivered_at, now) for each in found],
            "Test": [test(tests.get(each.name.value), now).text for each in found],
            "Remark": [cut(channel_remark(each)) for each in found],
        }
    )


def channel_remark(found: ChannelStatus) -> str:
    """What is not as it should be."""
    if found.missing:
        return found.missing
    if found.failed_at is not None and not found.is_good:
        return f"the last one failed: {found.failed_reason}"
    if found.retrying_reason:
        return f"is tried again: {found.retrying_reason}"
    return found.remark or ""


def test(found: LoggedNotice | None, now: datetime) -> Words:
    """How far the newest test of a channel has come: put in, sent, accepted, back."""
    if found is None:
        return Words("never tested", "gray")
    since = words.ago(found.made_at, now)
    if found.echoed_at is not None:
        by = "echoed" if found.echoed_by is None else f"read by {cut(found.echoed_by)}"
        return Words(f"came back {words.ago(found.echoed_at, now)}: {by}", "green")
    if found.state == "delivered":
        return Words(f"accepted {words.ago(found.ended_at, now)}, nobody has read it yet", "blue")
    if found.state in {"failed", "not configured", "dropped"}:
        return Words(f"{found.state} {since}: {found.reason or 'no reason'}", "red")
    if found.tries:
        return Words(f"sent, not accepted yet: {found.reason or found.state}", "orange")
    return Words(f"put in {since}, not sent yet", "blue")


def stamp(moment: datetime) -> str:
    """2026-11-26 09:10:05, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def short(id_: UUID) -> str:
    """The end of an id."""
    return str(id_)[-_SHORT:]


def _lasted(alert: LoggedAlert, now: datetime) -> str:
    lasted = words.ticking(alert.lasted(now))
    return lasted if alert.resolved_at is not None else f"{lasted}, still"


def _told(alert: LoggedAlert) -> str:
    return "no" if alert.told_at is None else "yes"


def _in_hand(alert: LoggedAlert) -> str:
    if alert.acknowledged_at is None:
        return "nobody"
    return f"{cut(alert.acknowledged_by or '')}, {stamp(alert.acknowledged_at)} UTC"


def _why_not(notice: LoggedNotice, now: datetime) -> str:
    if notice.state in {"waiting", "sending"} and notice.next_at is not None and notice.tries:
        wait = max((notice.next_at - now).total_seconds(), 0)
        return f"{notice.reason or 'no answer'}; again in {wait:.0f} s"
    return notice.reason or ""
