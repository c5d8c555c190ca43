"""A notice: what is told of one or several alerts, before it is put into a channel's own form.

Its fields are those of the domain page's section 9. Whoever writes the outbox stores `body_of` as
JSON; a channel makes its bytes from that and from nothing else, so that a notice says the same
however late it goes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class NoticeKind(StrEnum):
    """Why somebody is told."""

    FIRING = "firing"
    # It still fires, and the repeat interval is over.
    REPEAT = "repeat"
    RESOLVED = "resolved"
    TEST = "test"
    # Something people are told once, such as that a release is on its way.
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Notice:
    """One alert as people and machines are told of it.

    Attributes:
        kind: why.
        alert_id: of which alert.
        error_code: an error code of the taxonomy or an `AlertCode`, never empty.
        severity: the name of an `AlertSeverity`.
        message: what is the matter, in a sentence or two of plain text.
        metrics: the rule's numbers, and `window_s`, `attempts`, `bad`, `share`, `p95_ms`, `p99_ms`
            as far as they are known.
        timestamp: when it began to fire (or was resolved), aware, UTC.
        environment: name of the installation.
        correlation_id: of the worst attempt in its window, or of the evaluation; the lookup finds
            both.
        rule_id: names the rule.
        rule_name: its name for people.
        runbook_url: where its section is.
        dashboard_url: where its window is shown.
        alert_url: where it is taken in hand, with its runbook; None of what is no alert.
        duration_s: of a resolved one, how long it fired; None otherwise.
        others: the same group's other alerts of the same tick, each as a mapping of these fields.
    """

    kind: NoticeKind
    alert_id: UUID
    error_code: str
    severity: str
    message: str
    metrics: Mapping[str, Any]
    timestamp: datetime
    environment: str
    correlation_id: str
    rule_id: str
    rule_name: str
    runbook_url: str
    dashboard_url: str
    alert_url: str | None = None
    duration_s: float | None = None
    others: tuple[Mapping[str, Any], ...] = ()


def body_of(notice: Notice) -> dict[str, Any]:
    """The notice as JSON has it: the names of the domain page, instants as RFC 3339 in UTC."""
    return {
        "kind": notice.kind.value,
        "alertId": str(notice.alert_id),
        "errorCode": notice.error_code,
        "severity": notice.severity,
        "message": notice.message,
        "metrics": dict(notice.metrics),
        "timestamp": notice.timestamp.isoformat().replace("+00:00", "Z"),
        "environment": notice.environment,
        "correlationId": notice.correlation_id,
        "ruleId": notice.rule_id,
        "ruleName": notice.rule_name,
        "runbookUrl": notice.runbook_url,
        "dashboardUrl": notice.dashboard_url,
        "alertUrl": notice.alert_url,
        "durationSeconds": notice.duration_s,
        "others": [dict(each) for each in notice.others],
    }
