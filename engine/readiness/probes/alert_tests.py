"""Test alerts: whether a nonce went out on every channel, and came back from somebody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from engine.alerting.channels.channel import ChannelName
from engine.alerting.channels.opening import open_channels
from engine.readiness.probes.asking import rows
from engine.readiness.probes.probe import Found, Question, failing, insufficient, passing
from engine.readiness.probes.spans import not_yet
from engine.readiness.records import written_instant

# Box → the channels that it speaks of; every channel but for these.
ASKED: Final[Mapping[str, Sequence[ChannelName]]] = MappingProxyType(
    {"POST-5.1": (ChannelName.TELEGRAM,), "POST-5.2": (ChannelName.WEBHOOK,)}
)
# The checklist asks for both; the third one is for those who have set it up.
_ALWAYS: Final = (ChannelName.TELEGRAM, ChannelName.WEBHOOK)
# Which also asks for a rule that really fired.
_WITH_RULE: Final = "PRE-7.7"
_DELIVERED: Final = "delivered"
_UNDER_WAY: Final = frozenset({"waiting", "sending"})
_TESTS: Final = """
    -- The newest test of each channel since the release came, or within the time that it holds.
    SELECT DISTINCT ON (channel) channel, made_at, state, reason, receipt, ended_at, echoed_at,
        echoed_by
    FROM alert_outbox
    WHERE kind = 'test' AND made_at >= %(since)s AND made_at <= %(now)s
    ORDER BY channel, made_at DESC, id DESC
"""
_FIRED: Final = """
    -- Notices of rules that really fired and were delivered.
    SELECT count(*)
    FROM alert_outbox
    WHERE kind = 'firing' AND state = 'delivered' AND made_at >= %(since)s AND made_at <= %(now)s
"""
_CAME: Final = """
    -- When a release was put down.
    SELECT min(recorded_at)
    FROM readiness_record
    WHERE release_id = %s AND kind = 'release'
"""


class _Test(NamedTuple):
    """The newest test of a channel."""

    channel: str
    made_at: datetime
    state: str
    reason: str | None
    receipt: str | None
    ended_at: datetime | None
    echoed_at: datetime | None
    echoed_by: str | None


def nonce(question: Question) -> Found:
    """`alert.nonce`: the newest test of each channel was taken, and its nonce came back.

    Before the deployment those since the release was put down count, afterwards those since the
    deployment; and no longer than evidence of the box lasts.
    """
    early = not_yet(question)
    if early is not None:
        return early
    since = _since(question)
    values = {"since": since, "now": question.runtime.clock.now()}
    tests = {str(row[0]): _Test(*row) for row in rows(question, _TESTS, values)}
    wanted = _wanted(question)
    ((fired,),) = rows(question, _FIRED, values)
    numbers: dict[str, Any] = {
        "since": written_instant(since),
        "channels": {each.value: _numbers(tests.get(each.value)) for each in wanted},
        "firingsDelivered": fired,
    }
    red = [why for each in wanted if (why := _why_red(each, tests.get(each.value)))]
    if red:
        return failing("; ".join(red), _TESTS, **numbers)
    open_ = [why for each in wanted if (why := _why_open(each, tests.get(each.value)))]
    if open_:
        return insufficient("; ".join(open_), _TESTS, **numbers)
    if question.item.id == _WITH_RULE and not fired:
        reason = "Tests came back, and no alert of a rule was delivered since the release came"
        return insufficient(reason, f"{_TESTS}; {_FIRED}", **numbers)
    names = ", ".join(each.value for each in wanted)
    return passing(f"The nonce of a test came back from {names}", _TESTS, **numbers)


def _since(question: Question) -> datetime:
    """From when on a test counts."""
    release, age = question.release, question.item.age
    if question.phase.window is not None and release.deployed_at is not None:
        since = release.deployed_at
    else:
        ((came,),) = rows(question, _CAME, [release.id])
        since = came or question.runtime.clock.now()
    return since if age is None else max(since, question.runtime.clock.now() - age)


def _wanted(question: Question) -> Sequence[ChannelName]:
    """The channels that a box asks for."""
    asked = ASKED.get(question.item.id)
    if asked is not None:
        return asked
    channels = open_channels(question.runtime.settings, question.runtime.clock)
    more = [name for name, each in channels.items() if name not in _ALWAYS and each.missing is None]
    return (*_ALWAYS, *more)


def _why_red(channel: ChannelName, test: _Test | None) -> str | None:
    """Why a test shows that a channel does not work; None when it does not show that."""
    if test is None or test.state in _UNDER_WAY:
        return None
    if test.state != _DELIVERED:
        return f"The newest test of {channel} was not delivered: {test.reason or test.state}"
    if channel is ChannelName.TELEGRAM and not test.receipt:
        return f"The newest test of {channel} has no message id"
    return None


def _why_open(channel: ChannelName, test: _Test | None) -> str | None:
    """Why nothing is shown yet of a channel that no test has shown not to work."""
    if test is None:
        return f"{channel} was not tested"
    if test.state in _UNDER_WAY:
        return f"The newest test of {channel} is under way"
    if test.echoed_at is None:
        return f"{channel} has taken the newest test, and nobody has read its nonce back"
    return None


def _numbers(test: _Test | None) -> dict[str, Any] | None:
    if test is None:
        return None
    taken = None if test.ended_at is None else (test.ended_at - test.made_at).total_seconds()
    return {
        "state": test.state,
        "reason": test.reason,
        "secondsToDelivery": taken if test.state == _DELIVERED else None,
        "receipt": test.receipt,
        "readBackAt": None if test.echoed_at is None else written_instant(test.echoed_at),
        "readBackBy": test.echoed_by,
    }
