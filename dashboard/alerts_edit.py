"""An edited rule: its fields as rules.toml writes them, and what differs from the release.

Pure functions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from engine.alerting.backtest import Backtest
from engine.alerting.changes import changeable, changed_rule
from engine.alerting.durations import tell_duration, write_duration
from engine.alerting.loading import NEVER
from engine.alerting.rules import Rule, Share, Standstill
from engine.errors import SetupError

ENABLED: Final = "enabled"
LABELS: Final[Mapping[str, str]] = {
    "threshold": "Threshold",
    "least": "Fewest attempts that say something good",
    "hold": "Has to be true for",
    "keep": "Goes on firing for",
    "no_data_after": "No data is an alert after",
    ENABLED: "In force",
}
_DIGITS: Final = 6


@dataclass(frozen=True, slots=True)
class Tried:
    """An edited rule that was walked through the past.

    Attributes:
        rule_id: of the rule.
        body: what differs from the release.
        now: what the rule that is in force would have done; None for one that is out of force.
        then: what the edited one would have done; None for one that is put out of force.
        reason: why there is no past to walk it through; empty when there is.
    """

    rule_id: str
    body: Mapping[str, Any]
    now: Backtest | None
    then: Backtest | None
    reason: str = ""


def written(rule: Rule, now: Rule | None = None) -> dict[str, str | bool]:
    """What may be changed of a rule, as rules.toml writes it.

    Args:
        rule: of the release, which says what may be changed.
        now: the same with what is changed of it; as the release has it if None.
    """
    fields = changeable(rule)
    rule = now or rule
    condition = rule.condition
    said: dict[str, str | bool] = {
        "hold": write_duration(rule.hold),
        "keep": write_duration(rule.keep),
        ENABLED: True,
    }
    if isinstance(condition, Share):
        percent = f"{condition.above * 100:.{_DIGITS}f}".rstrip("0").rstrip(".")
        said["threshold"] = f"{percent} %"
    if not isinstance(condition, Standstill):
        said["least"] = str(condition.least)
    said["no_data_after"] = NEVER
    if rule.no_data_after is not None:
        said["no_data_after"] = write_duration(rule.no_data_after)
    return {name: said[name] for name in fields}


def body_of(rule: Rule, said: Mapping[str, str | bool]) -> dict[str, Any]:
    """What differs from the release's rule, as `alert_rule_change` has it.

    Args:
        rule: of the release.
        said: by field, as somebody has written it.

    Raises:
        SetupError: the change cannot be made; it names rule and field.
    """
    own = written(rule)
    body: dict[str, Any] = {}
    for name, value in said.items():
        plain = value.strip() if isinstance(value, str) else value
        if plain != own.get(name):
            body[name] = int(plain) if name == "least" and _is_whole(plain) else plain
    changed_rule(rule, body)
    return body


def _is_whole(plain: object) -> bool:
    return isinstance(plain, str) and plain.isascii() and plain.isdigit()


def in_force(rule: Rule, body: Mapping[str, Any]) -> Rule | None:
    """A rule with what is changed of it; as the release has it where that cannot be made."""
    try:
        return changed_rule(rule, body)
    except SetupError:
        return rule


def summary(found: Backtest | None) -> str:
    """What a rule would have done, in a sentence."""
    if found is None:
        return "Out of force: it would never have fired."
    times = len(found.firings)
    if not found.attempts:
        return "Not known: there were no attempts that it counts."
    if not times:
        return f"It would not have fired: {found.bad:,} of {found.attempts:,} attempts were bad."
    alerts = "1 alert" if times == 1 else f"{times:,} alerts"
    return (
        f"{alerts}, {tell_duration(found.fired)} in all; {found.bad:,} of {found.attempts:,}"
        " attempts were bad."
    )
