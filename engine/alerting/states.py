"""Values that evaluation is made of: what was measured, what is remembered, what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from engine.alerting.usual import Usual


class RuleState(StrEnum):
    """What a rule is in."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"
    # Over, and shown as such for a while; then inactive.
    RESOLVED = "resolved"
    # Its numbers cannot be known, or are too few: neither good nor bad.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Measured:
    """What a rule's condition came to in one look.

    Attributes:
        is_true: whether it holds; None when that cannot be known.
        reason: why, in a sentence with the number that decides.
        numbers: what was counted, in JSON's own types: windows in seconds, counts, shares, and
            for an alert the p95 and p99 in milliseconds.
        is_above: whether the numbers are above the threshold at all, be it by chance; None when
            there are none. That fires no rule, but one that fires goes on doing so.
        is_read: whether there was an answer at all; without one, nothing is known of how much came.
        usual: how many attempts are usual in the time in which nothing has been known; None where
            nobody asked, or that could not be read.
    """

    is_true: bool | None
    reason: str
    numbers: Mapping[str, Any] = field(default_factory=dict)
    is_above: bool | None = None
    is_read: bool = True
    usual: Usual | None = None

    def beside(self, usual: Usual | None) -> Measured:
        """The same with what is usual, where that is known."""
        if usual is None or not self.is_read:
            return self
        known = {} if usual.attempts is None else {"usual": usual.attempts}
        return replace(self, usual=usual, numbers={**self.numbers, **known})


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered of a rule from one tick to the next.

    Attributes:
        state: what it is in.
        since: when it came into this state.
        true_since: since when the condition has been true without a break; None while it is not.
        last_true: when it was last true or, while firing, above its threshold; None if never.
        unknown_since: since when its numbers have been unknown without a break; None while they
            are known, and while they never were: what has never been there is not missing. It
            begins anew when there were none and now they cannot be read.
        alert_id: of the alert that it fires, or fired last while resolved; None otherwise.
        is_no_data: whether it fires because its numbers have been unknown for too long.
        is_unread: whether its numbers could not be read in the last look.
    """

    state: RuleState
    since: datetime
    true_since: datetime | None = None
    last_true: datetime | None = None
    unknown_since: datetime | None = None
    alert_id: UUID | None = None
    is_no_data: bool = False
    is_unread: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What evaluation says of a rule.

    Attributes:
        memory: what is remembered from now on; `alert_id` is filled in by who writes it down.
        reason: why it is in this state.
        is_new: whether the state has changed, which is a transition to be written down.
    """

    memory: Memory
    reason: str
    is_new: bool

    @property
    def is_no_data(self) -> bool:
        """Whether it fires because its numbers have been unknown for too long."""
        return self.memory.is_no_data
