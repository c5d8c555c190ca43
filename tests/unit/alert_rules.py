"""Rules and instants that tests of alerting are made of."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from engine.alerting.rules import AlertSeverity, Rule, Share
from engine.alerting.states import Measured
from engine.alerting.usual import Usual
from engine.rollups import parts

NOON: Final = datetime(2026, 11, 2, 12, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)

TRUE: Final = Measured(is_true=True, reason="Bad.")
FALSE: Final = Measured(is_true=False, reason="Good.", is_above=False)
FEW: Final = Measured(is_true=None, reason="Few.", is_above=False)
ABOVE: Final = Measured(is_true=False, reason="Good, or chance.", is_above=True)
# At an hour at which attempts are usual.
UNKNOWN: Final = Measured(is_true=None, reason="Nobody knows.", usual=Usual(4_310))

SHARE: Final = Share(parts.CONFLICTS, parts.ALL, 0.01, timedelta(minutes=5))
_RULE: Final = Rule("TEST-001", "A test", AlertSeverity.HIGH, SHARE, ("webhook",))


def rule(**changes: Any) -> Rule:
    """A rule that fires at once, is over at once and minds no silence, but for these fields."""
    return replace(_RULE, **changes)
