"""What a channel is: something that takes a letter, and says what became of it.

A channel knows nothing of the outbox. It sends once and answers; whoever asked decides what
follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

# What is kept of an answer: enough to recognise it, see `legible`.
_ANSWER_MAX: Final = 300
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\s]+")
_HIDDEN: Final = "[secret]"


class ChannelName(StrEnum):
    """The channels that the outbox knows, in the order in which one stands in for another."""

    TELEGRAM = "telegram"
    WEBHOOK = "webhook"
    APPRISE = "apprise"


class FailureReason(StrEnum):
    """Why something was not delivered; a bounded set, for rows and metrics alike."""

    # Nobody was reached: no such name, connection refused, no route.
    UNREACHABLE = "unreachable"
    # Its certificate is not one that this machine trusts for that name.
    CERTIFICATE = "certificate"
    # It leads to an address that nothing is sent to, see `engine.alerting.channels.addresses`.
    ADDRESS = "address"
    # No answer in time.
    TIMEOUT = "timeout"
    # The line broke after something was sent.
    BROKEN_LINE = "broken line"
    # What answered is not what was expected there.
    ANSWER = "answer"
    RATE_LIMITED = "rate limited"
    # It says that it has failed itself (5xx).
    SERVER_ERROR = "server error"
    # It wants to be asked elsewhere; nothing is sent there.
    REDIRECTED = "redirected"
    # It does not know us (401, 403).
    CREDENTIALS = "credentials"
    # It does not want this (any other 4xx).
    REFUSED = "refused"
    # Apprise says no more than that.
    NOT_TAKEN = "not taken"
    NOT_CONFIGURED = "not configured"
    # It was tried for as long, or as often, as is worth while.
    TOO_OLD = "too old"
    TOO_OFTEN = "too often"
    # Its sender died, or took longer than it may, so that nobody knows.
    CLAIM_RAN_OUT = "claim ran out"
    # It tells that something is over of which nobody was told that it began.
    NEVER_TOLD = "never told"
    # A mistake of ours.
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent to a channel once.

    Attributes:
        id: of the outbox row, the same in every try: by it a receiver tells a repetition.
        body: the notice as `engine.alerting.notices.body_of` has it.
        is_perhaps_repeated: whether an earlier try may have arrived.
        nonce: of a test, else None.
    """

    id: UUID
    body: Mapping[str, Any]
    is_perhaps_repeated: bool = False
    nonce: str | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """It was taken.

    Attributes:
        receipt: what the channel calls the message; None where it does not say.
        status: of HTTP, where there is one.
        answer: what it said, legible and without secrets.
        echo: the nonce that came back in the answer; None without one.
    """

    receipt: str | None
    status: int | None
    answer: str
    echo: str | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """It was not taken, or nobody knows; another try may help.

    Attributes:
        reason: why.
        after: not before so long; None where the channel did not say.
        status: of HTTP, where there is one.
        answer: what it said, legible and without secrets.
        may_have_arrived: whether it may have been taken all the same.
    """

    reason: FailureReason
    after: timedelta | None = None
    status: int | None = None
    answer: str = ""
    may_have_arrived: bool = False


@dataclass(frozen=True, slots=True)
class Permanent:
    """It was not taken and never will be.

    Attributes:
        reason: why.
        status: of HTTP, where there is one.
        answer: what it said, legible and without secrets.
    """

    reason: FailureReason
    status: int | None = None
    answer: str = ""


Result: TypeAlias = Sent | Retry | Permanent


class Channel(Protocol):
    """One way to tell somebody."""

    @property
    def name(self) -> ChannelName:
        """Which it is."""
        ...

    @property
    def missing(self) -> str | None:
        """Why it is not configured, in words without secrets; None when it is."""
        ...

    def wait(self) -> float:
        """Seconds until it may be sent to again; 0 when it may now."""
        ...

    def send(self, letter: Letter) -> Result:
        """Sends once, in a bounded time; raises nothing that a receiver could cause.

        Only a configured channel is asked.
        """
        ...


def legible(said: str, secrets: Iterable[str]) -> str:
    """An answer as it may be kept: one line, short, and without the secrets it was called with.

    Args:
        said: by the channel.
        secrets: what must not be kept, also when the channel says it.
    """
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        said = said.replace(secret, _HIDDEN)
    words = _UNPRINTABLE.sub(" ", said).strip()
    words = words.encode("utf-8", "replace").decode()
    return words if len(words) <= _ANSWER_MAX else words[: _ANSWER_MAX - 1] + "…"
