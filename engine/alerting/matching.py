"""What a silence hides: a matcher against an alert, pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any
from uuid import UUID

from engine.alerting.rules import AlertSeverity, Rule


@dataclass(frozen=True, slots=True)
class Matcher:
    """Which alerts are meant: all that is given has to fit.

    Attributes:
        rule: id of the rule; a star in it stands for anything.
        severity: the alert's.
        code: the alert's error code.
    """

    rule: str | None = None
    severity: AlertSeverity | None = None
    code: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is given, which would mean everything."""
        return self.rule is None and self.severity is None and self.code is None

    def fits(self, rule_id: str, severity: str, code: str) -> bool:
        """Whether an alert is meant.

        Args:
            rule_id: of the alert.
            severity: name of its severity.
            code: its error code.
        """
        return (
            (self.rule is None or fnmatchcase(rule_id, self.rule))
            and (self.severity is None or self.severity.name == severity)
            and (self.code is None or self.code == code)
        )

    def stored(self) -> dict[str, str]:
        """As the table has it."""
        severity = None if self.severity is None else self.severity.name
        said = {"rule": self.rule, "severity": severity, "code": self.code}
        return {name: value for name, value in said.items() if value is not None}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Matcher:
        """From what the table has."""
        severity = stored.get("severity")
        return cls(
            stored.get("rule"),
            None if severity is None else AlertSeverity[severity],
            stored.get("code"),
        )

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.stored().items())


@dataclass(frozen=True, slots=True)
class Silence:
    """Somebody wants not to be told of some alerts until an instant.

    Attributes:
        id: of the silence.
        matcher: of which.
        expires_at: until when, unless it is ended before.
    """

    id: UUID
    matcher: Matcher
    expires_at: datetime


def silence_of(silences: Iterable[Silence], rule: Rule, code: str, now: datetime) -> Silence | None:
    """The silence that hides an alert longest; None when it is to be told.

    Args:
        silences: those that nobody has ended.
        rule: of the alert.
        code: of the alert.
        now: the present instant.
    """
    if not rule.is_silenceable:
        return None
    fitting = (
        each
        for each in silences
        if now < each.expires_at and each.matcher.fits(rule.id, rule.severity.name, code)
    )
    return max(fitting, key=lambda each: each.expires_at, default=None)
