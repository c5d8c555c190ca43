"""Sending one operation and hearing what became of it: the one interface of the two ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

from engine.attempts.ledger import outcome_of
from engine.attempts.outcome import Outcome
from engine.errors import ErrorCode
from engine.quotes.lifecycle import Operation
from engine.replay.agencies import Agency


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One attempt to be sent.

    Attributes:
        agency: who sends it.
        operation: what it does.
        body: its fields, without the version.
        quote_id: which quote; none for a create.
        version: the version last answered; 0 for a create.
        correlation_id: of this attempt alone.
        idempotency_key: the same when the attempt is made again.
    """

    agency: Agency
    operation: Operation
    body: Mapping[str, Any]
    quote_id: UUID | None
    version: int
    correlation_id: str
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered.

    Attributes:
        outcome: as the ledger has it.
        code: why it was refused; None when it was not.
        quote_id: the quote saved.
        version: the version that it has now.
        reason: why it was refused, in the engine's words.
        retry_after_s: how long to wait before the next try, when the answer says so.
    """

    outcome: Outcome
    code: ErrorCode | None = None
    quote_id: UUID | None = None
    version: int = 0
    reason: str = ""
    retry_after_s: float = 0.0


class Unanswered(Exception):  # noqa: N818  # of the line, not of the program
    """It was sent, and no answer of ours came back: it may be saved or not."""


class Unreachable(Exception):  # noqa: N818  # of the line, not of the program
    """Nobody takes it: nothing was sent."""


class Sender(Protocol):
    """One way to send; used by one worker at a time."""

    def send(self, message: Message) -> Reply:
        """Sends an attempt and waits for its answer.

        Raises:
            Unanswered: the line broke, or the answer was not one of ours.
            Unreachable: no line could be had.
        """
        ...

    def close(self) -> None:
        """Lets go of the line."""
        ...


_REASONS_NAMED: Final = 3
_REASON_MAX: Final = 200


def refused(code: ErrorCode, message: str, details: Mapping[str, Any]) -> Reply:
    """The reply of a refusal.

    Args:
        code: why.
        message: the same in words.
        details: of the refusal; violations are listed there, and a save in doubt says so.
    """
    is_in_doubt = details.get("outcome") == "indeterminate"
    wait = details.get("retryAfterSeconds", 0)
    return Reply(
        Outcome.INDETERMINATE if is_in_doubt else outcome_of(code),
        code,
        reason=_violations(details) or message[:_REASON_MAX],
        retry_after_s=float(wait),
    )


def _violations(details: Mapping[str, Any]) -> str:
    """The violations that a refusal lists, in a line."""
    errors = details.get("errors")
    if not isinstance(errors, list):
        return ""
    named = [f"{each.get('field')} {each.get('message')}" for each in errors[:_REASONS_NAMED]]
    unnamed = len(errors) - len(named)
    return ("; ".join(named) + (f"; and {unnamed} more" if unnamed > 0 else ""))[:_REASON_MAX]
