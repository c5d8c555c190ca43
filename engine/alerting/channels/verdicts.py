"""What an HTTP status, or none, says of a letter: a pure table that the channels share."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

from engine.alerting.channels.channel import FailureReason, Permanent, Retry, legible
from engine.alerting.channels.posting import Answer, NoAnswer

# A gateway lost the answer of what is behind it, which may have done what it was asked.
_LOST_BEHIND: Final = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT})
_UNKNOWN_TO_IT: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_FIRST_REDIRECT: Final = 300
_FIRST_CLIENT_ERROR: Final = 400
_FIRST_SERVER_ERROR: Final = 500
# No receiver is believed to need more than this.
AFTER_MAX: Final = timedelta(hours=1)


def unanswered(failure: NoAnswer) -> Retry | Permanent:
    """What to do when there was no answer: try again, except where it would be the same again."""
    if failure.reason is FailureReason.ADDRESS:
        return Permanent(failure.reason, answer="its name leads to an address that is not sent to")
    return Retry(failure.reason, answer=failure.detail, may_have_arrived=failure.has_sent)


def refused(
    answer: Answer,
    now: datetime,
    secrets: Iterable[str],
    *,
    said: str | None = None,
    after: timedelta | None = None,
) -> Retry | Permanent:
    """What to do with an answer that is no yes.

    Args:
        answer: of any status but 2xx; with one of those, it did not say what was expected.
        now: for a Retry-After that is a date.
        secrets: what must not be kept of it.
        said: its words, when they are not the whole body.
        after: how long it wants to be left alone, when not in its headers.
    """
    status, words = answer.status, legible(answer.text if said is None else said, secrets)
    asked = retry_after(answer.headers.get("retry-after"), now) if after is None else after
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Retry(FailureReason.RATE_LIMITED, asked, status, words)
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return Retry(FailureReason.TIMEOUT, asked, status, words)
    if status >= _FIRST_SERVER_ERROR:
        is_lost = status in _LOST_BEHIND
        return Retry(FailureReason.SERVER_ERROR, asked, status, words, may_have_arrived=is_lost)
    if status < _FIRST_REDIRECT:
        return Retry(FailureReason.ANSWER, asked, status, words, may_have_arrived=True)
    return Permanent(_permanent(status), status, words)


def _permanent(status: int) -> FailureReason:
    if status < _FIRST_CLIENT_ERROR:
        return FailureReason.REDIRECTED
    return FailureReason.CREDENTIALS if status in _UNKNOWN_TO_IT else FailureReason.REFUSED


def retry_after(header: str | None, now: datetime) -> timedelta | None:
    """How long a receiver wants to be left alone, at most an hour; None when it does not say.

    Args:
        header: seconds, or a date as HTTP writes it.
        now: aware.
    """
    if header is None:
        return None
    written = header.strip()
    if written.isascii() and written.isdigit():
        seconds = min(int(written[:9]), int(AFTER_MAX.total_seconds()))
        return timedelta(seconds=seconds)
    try:
        until = parsedate_to_datetime(written)
    except ValueError:
        return None
    aware = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return min(max(aware - now, timedelta(0)), AFTER_MAX)
