"""Where an alert leads: to the attempts of its window, and to its section in the runbook."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from engine.alerting.rules import Rule
from engine.alerting.worst import bad_of
from engine.settings import Settings
from engine.slo.objectives import PARTS

# As `dashboard.addresses` reads them; a test holds the two together.
_ATTEMPTS: Final = "attempts"
_ALERTS: Final = "alerts"
_ALERT: Final = "alert"


def runbook_url(settings: Settings, rule: Rule) -> str:
    """The rule's section in the runbook."""
    return f"{settings.alert_runbook_url}#{(rule.runbook or rule.id).lower()}"


def dashboard_url(settings: Settings, rule: Rule, now: datetime) -> str:
    """The attempts that made a rule fire; the alerts themselves where it is about none."""
    base = _base(settings)
    bad = bad_of(rule.condition)
    if bad is None:
        return f"{base}/{_ALERTS}"
    window = bad.window(now)
    said = {"from": _instant(window.start), "until": _instant(window.end)}
    if bad.wanted.traffic is not None:
        said["only_traffic"] = bad.wanted.traffic.name.lower()
    if bad.wanted.operation is not None:
        said["only_operation"] = bad.wanted.operation.name
    if bad.part.key in PARTS:
        said["only_part"] = bad.part.key
    return f"{base}/{_ATTEMPTS}?{urlencode(said)}"


def alert_url(settings: Settings, alert_id: UUID) -> str:
    """The alert itself: its runbook, and where it is taken in hand."""
    return f"{_base(settings)}/{_ALERTS}?{urlencode({_ALERT: str(alert_id)})}"


def home_url(settings: Settings) -> str:
    """The dashboard, of what leads to no attempts."""
    return _base(settings)


def _base(settings: Settings) -> str:
    if settings.public_url:
        return settings.public_url
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{settings.port}"


def _instant(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
