"""The addresses of the page of alerts: one of its views, and what is chosen in it.

Pure functions. The parameters have names that no filter of another page has: see
`dashboard.addresses`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from dashboard.storable import storable
from engine.alerting.channels.channel import ChannelName
from engine.alerting.rules import AlertSeverity
from engine.quotes.shape import parse_uuid

SHOW: Final = "show"
ALERT: Final = "alert"
RULE: Final = "rule"
SEVERITY: Final = "severity"
SPAN: Final = "span"
CHANNEL: Final = "channel"
STATE: Final = "came_to"
NAMES: Final = (SHOW, ALERT, RULE, SEVERITY, SPAN, CHANNEL, STATE)
SPANS: Final[Mapping[str, timedelta]] = {
    "1 h": timedelta(hours=1),
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
    "30 d": timedelta(days=30),
    "90 d": timedelta(days=90),
}
SEVERITIES: Final = tuple(each.name for each in sorted(AlertSeverity, reverse=True))
CHANNELS: Final = tuple(ChannelName)
# As the outbox has them.
STATES: Final = ("waiting", "sending", "delivered", "failed", "not configured", "dropped")
_DAY: Final = "24 h"
# An id of a rule, or a pattern of some.
_LONGEST: Final = 100


class Show(StrEnum):
    """A view of the page."""

    NOW = "Now"
    HISTORY = "History"
    DELIVERIES = "Deliveries"
    SILENCES = "Silences"
    RULES = "Rules"


@dataclass(frozen=True, slots=True)
class Asked:
    """What an address asks for.

    Attributes:
        show: which view.
        alert_id: the alert that is looked at; None for none.
        rule_id: the only rule; None for all.
        severity: the only one; None for all.
        span: how far back, by its words.
        channel: the only one; None for all.
        state: of notices; None for all.
        unread: parameters that could not be read.
    """

    show: Show = Show.NOW
    alert_id: UUID | None = None
    rule_id: str | None = None
    severity: str | None = None
    span: str = _DAY
    channel: str | None = None
    state: str | None = None
    unread: tuple[str, ...] = ()

    @property
    def back(self) -> timedelta:
        """How far back."""
        return SPANS[self.span]


def read(said: Mapping[str, str]) -> Asked:
    """What the parameters of the page say; anything may stand there."""
    alert_id = parse_uuid(said.get(ALERT, "").strip())
    rule_id = storable(said.get(RULE, "").strip()[:_LONGEST]) or None
    understood = {
        SHOW: said.get(SHOW, Show.NOW) in set(Show),
        ALERT: ALERT not in said or alert_id is not None,
        SEVERITY: said.get(SEVERITY) in {None, *SEVERITIES},
        SPAN: said.get(SPAN, _DAY) in SPANS,
        CHANNEL: said.get(CHANNEL) in {None, *CHANNELS},
        STATE: said.get(STATE) in {None, *STATES},
    }
    return Asked(
        show=Show(said.get(SHOW, Show.NOW)) if understood[SHOW] else Show.NOW,
        alert_id=alert_id,
        rule_id=rule_id,
        severity=said.get(SEVERITY) if understood[SEVERITY] else None,
        span=said.get(SPAN, _DAY) if understood[SPAN] else _DAY,
        channel=said.get(CHANNEL) if understood[CHANNEL] else None,
        state=said.get(STATE) if understood[STATE] else None,
        unread=tuple(name for name, is_read in understood.items() if not is_read),
    )


def parameters(asked: Asked) -> dict[str, str]:
    """The parameters that ask for this; what goes without saying is left out."""
    said = {
        SHOW: None if asked.show is Show.NOW else asked.show.value,
        ALERT: None if asked.alert_id is None else str(asked.alert_id),
        RULE: asked.rule_id,
        SEVERITY: asked.severity,
        SPAN: None if asked.span == _DAY else asked.span,
        CHANNEL: asked.channel,
        STATE: asked.state,
    }
    return {name: value for name, value in said.items() if value}


def changed(asked: Asked, **changes: Any) -> dict[str, str]:  # noqa: ANN401  # fields of `Asked`
    """The parameters of the same with something else chosen."""
    return parameters(replace(asked, **changes))
