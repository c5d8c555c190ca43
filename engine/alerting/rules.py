"""What a rule is: a condition on numbers, and whom it tells; data only, nothing here evaluates.

The rules themselves are in `rules.toml`; those of burn rates follow from the table of pairs in
`engine.slo.burn`, so that no factor is typed twice. See the domain page's section 9.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum, StrEnum
from typing import Final, TypeAlias

from engine.errors import Severity
from engine.quotes.lifecycle import Operation
from engine.rollups.counts import Traffic
from engine.rollups.parts import Part
from engine.slo.burn import BurnPair
from engine.slo.objectives import Objective

# The watcher outside is told by no message: it notices that the evaluator does not ping it.
HEARTBEAT: Final = "heartbeat"
# Whom a rule may tell.
CHANNEL_NAMES: Final = ("telegram", "webhook", "apprise", HEARTBEAT)


class AlertSeverity(IntEnum):
    """How loudly an alert speaks; the number orders them."""

    MEDIUM = 1
    HIGH = 2
    CRITICAL = 3

    @classmethod
    def of(cls, severity: Severity) -> AlertSeverity:
        """The severity of an alert about a code of this severity."""
        return {Severity.CRITICAL: cls.CRITICAL, Severity.HIGH: cls.HIGH}.get(severity, cls.MEDIUM)


class Watched(StrEnum):
    """What the watchdog looks at: work that stands still makes no noise by itself."""

    EVALUATOR = "evaluator"
    ROLLER = "roller"
    SPOOL = "spool"
    # While it does not answer nobody can evaluate; see `engine.alerting.outage`.
    DATABASE = "database"


class AlertCode(StrEnum):
    """What stands in `errorCode` when no attempt failed; error codes are used otherwise."""

    LATENCY_OVER_OBJECTIVE = "LATENCY_OVER_OBJECTIVE"
    ERROR_BUDGET_BURNING = "ERROR_BUDGET_BURNING"
    NO_DATA = "NO_DATA"
    WATCHDOG_STALLED = "WATCHDOG_STALLED"
    TEST_ALERT = "TEST_ALERT"
    RELEASE_NOTE = "RELEASE_NOTE"


@dataclass(frozen=True, slots=True)
class Share:
    """True while more than a share of some attempts is bad; the comparison is strict.

    It has to be more than chance, see `engine.alerting.measuring`.

    Attributes:
        bad: counts the bad ones.
        of: counts those that the share is of.
        above: the share, between 0 and 1; 0 means any at all.
        window: over which it is counted; it ends now.
        operation: only attempts of this one; all if None.
        least: with fewer attempts, numbers that do not make it true say nothing. 0 takes none for
            an answer, as only the question whether there are any bad ones can.
        traffic: where the bad ones come from; the share is of live attempts and of these.
    """

    bad: Part
    of: Part
    above: float
    window: timedelta
    operation: Operation | None = None
    least: int = 1
    traffic: Traffic = Traffic.LIVE


@dataclass(frozen=True, slots=True)
class Burning:
    """True while both windows of a pair burn an objective's budget faster than its factor.

    Attributes:
        objective: whose budget.
        pair: which windows, and how fast.
        least: with fewer attempts in the long window, numbers that do not make it true say nothing.
    """

    objective: Objective
    pair: BurnPair
    least: int = 1


@dataclass(frozen=True, slots=True)
class Standstill:
    """True while something that should move has not moved for so many of its intervals.

    Attributes:
        watched: what.
        intervals: how many of its own intervals it may take.
    """

    watched: Watched
    intervals: int = 2


Condition: TypeAlias = Share | Burning | Standstill


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition that somebody is told of.

    Attributes:
        id: names it for ever, such as CRITICAL-001.
        name: names it on screens and in messages.
        severity: how loudly it speaks.
        condition: when it is true.
        channels: where it is sent to, first to last; of `CHANNEL_NAMES`.
        hold: how long the condition must be true before it fires; while it is, it is pending.
        keep: how long it goes on firing after the condition was last true, so that it does not
            flap.
        no_data_after: how long its numbers may be unknown, once they were known, before that is an
            alert of its own; None for ever, which only rules may have that another one speaks for.
            Of a share it is one where attempts are usual, see `engine.alerting.usual`.
        guards: keys of the objectives that it keeps.
        runbook: section of docs/runbooks/alerts.md, which is the rule's id unless said.
        group: alerts of one group that begin in the same tick are told together.
        is_silenceable: whether a silence may hold it back; the watchdog's may not.
    """

    id: str
    name: str
    severity: AlertSeverity
    condition: Condition
    channels: tuple[str, ...]
    hold: timedelta = timedelta(0)
    keep: timedelta = timedelta(0)
    no_data_after: timedelta | None = None
    guards: frozenset[str] = field(default_factory=frozenset)
    runbook: str = ""
    group: str = ""
    is_silenceable: bool = True
