"""An attempt in words: what became of it in one sentence, what to do next, its facts and steps.

Pure functions of a row of the view `ledger`, the same for a terminal and a screen. They say what
the ledger stores and never more: an instant that it does not store has no place in them. Stored
text comes out printable, see `printable`, and is still to be shown as text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from engine.attempts.outcome import UNKNOWN_AGENT
from engine.errors import TAXONOMY, ErrorCode, Meaning

Row = Mapping[str, Any]

NOT_STORED: Final = "not stored"
_RUNBOOK: Final = "docs/runbooks/errors.md"
_SHORT: Final = 8
_BMP_MAX: Final = 0xFFFF
# In seconds.
_BLINK, _MINUTE, _HOUR, _DAY = 0.1, 60, 3_600, 86_400
# Label and column of the view `ledger`, in the order in which one asks for them.
_FACTS: Final = (
    ("correlation id", "correlation_id"),
    ("quote", "quote_id"),
    ("agent", "agent_id"),
    ("client", "client_id"),
    ("operation", "operation"),
    ("outcome", "outcome"),
    ("code", "error_code"),
    ("severity", "severity"),
    ("retryable", "retryable"),
    ("HTTP status", "http_status"),
    ("from version", "expected_version"),
    ("quote's version", "actual_version"),
    ("changed", "changed_fields"),
    ("idempotency key", "idempotency_key"),
    ("started", "started_at"),
    ("duration", "duration_us"),
    ("database", "database_us"),
    ("retries", "retries"),
    ("payload hash", "payload_hash"),
    ("traceparent", "traceparent"),
    ("path", "path"),
    ("source", "source"),
    ("environment", "environment"),
    ("release", "release"),
    ("instance", "instance"),
    ("attempt", "id"),
)


class Maker(NamedTuple):
    """The save that made the version which an attempt met: who won, or whose answer was repeated.

    Attributes:
        correlation_id: None of a version that a migration made of what it found.
        at: when that version was drawn up.
    """

    correlation_id: str | None
    at: datetime


class Step(NamedTuple):
    """Something that happened to an attempt.

    Attributes:
        at: when; None where the ledger does not store it.
        what: in a word or two.
        detail: what is known of it.
    """

    at: datetime | None
    what: str
    detail: str


# --- the sentence ---


def sentence(row: Row, *, quote_number: str | None = None, maker: Maker | None = None) -> str:
    """What became of an attempt, whether anything was stored, and what to do next.

    Args:
        row: of the view `ledger`, by column.
        quote_number: of its quote, where that is known.
        maker: of the version that it met, where that is known.
    """
    clauses = [
        _who(row, quote_number) + (_cut_off(row) if is_closed_by_sweeper(row) else _ended(row)),
        stored(row),
        advice(row),
        *_made_by(row, maker),
    ]
    return f"{'; '.join(clauses)}."


def is_stored(row: Row) -> bool | None:
    """Whether what the attempt asked for is in the database; None if that is not known."""
    match row["outcome"]:
        case "committed" | "replayed":
            return True
        case "indeterminate":
            return None
        case _:
            return False


def stored(row: Row) -> str:
    """Whether anything was stored."""
    version = row["actual_version"]
    match row["outcome"]:
        case "committed":
            return "it is stored" if version is None else f"version {version} is stored"
        case "replayed":
            return "nothing was stored a second time"
        case "indeterminate":
            return "whether anything was stored is not known"
        case _:
            return "nothing was stored"


def is_safe_again(row: Row) -> bool | None:
    """Whether the same request may be sent again as it was; None if that is not known."""
    match row["outcome"]:
        case "replayed":
            return True
        case "committed":
            return row["idempotency_key"] is not None
        case "indeterminate" | "conflict":
            return False
        case _:
            told: bool | None = row["retryable"]
            meaning = _meaning(row)
            return meaning.retryable if told is None and meaning is not None else told


def advice(row: Row) -> str:
    """What to do next, and whether it is safe to try again."""
    has_key = row["idempotency_key"] is not None
    match row["outcome"]:
        case "committed" if has_key:
            return "sent again under its idempotency key within a day, it is answered the same"
        case "committed" if row["operation"] == "CREATE":
            return "do not send it again: that would create a second quote"
        case "committed" | "replayed":
            return "there is no need to send it again"
        case "indeterminate" if has_key:
            return (
                "reload before trying again, or try again with the same idempotency key within a"
                " day, which cannot save twice"
            )
        case "conflict" | "indeterminate":
            return "reload before trying again"
        case _:
            return _advice_on_refusal(row)


def _advice_on_refusal(row: Row) -> str:
    meaning, is_safe = _meaning(row), is_safe_again(row)
    if meaning is None:
        return {
            True: "it is safe to try again",
            False: "sent again as it was, it would be refused again",
            None: "whether it is safe to try again is not known",
        }[is_safe]
    action = _inside(meaning.action.removesuffix("."))
    if is_safe:
        return f"it is safe to try again: {action}"
    again = "may fail again" if row["outcome"] == "failed" else "would be refused again"
    return f"sent again as it was, it {again}: {action}"


def is_closed_by_sweeper(row: Row) -> bool:
    """Whether the attempt's process died before it could end it.

    Every attempt that was answered has a HTTP status; the row that takes the place of one of which
    nothing was heard has none.
    """
    return row["outcome"] == "failed" and row["http_status"] is None and not row["duration_us"]


def ended_at(row: Row) -> datetime:
    """When it ended: its start and its duration, which are what the ledger stores."""
    ended: datetime = row["started_at"] + timedelta(microseconds=row["duration_us"])
    return ended


def _who(row: Row, quote_number: str | None) -> str:
    """UPDATE of quote QT-2026-000001 by agent …1a2b3c4d."""
    if quote_number is not None:
        quote = f"quote {printable(quote_number)}"
    elif row["quote_id"] is not None:
        quote = f"quote {short_id(row['quote_id'])}"
    else:
        quote = "a quote"
    agent = f"agent {short_id(row['agent_id'])}"
    if row["agent_id"] == UNKNOWN_AGENT:
        agent = "a caller who was not known"
    by = "by Saveguard itself for" if row["operation"] == "EXPIRE" else "by"
    return f"{row['operation']} of {quote} {by} {agent}"


def _cut_off(row: Row) -> str:
    return (
        f", received at {instant(row['started_at'])}, was cut off when its process ended, and"
        f" closed afterwards as {_code_words(row)}"
    )


def _ended(row: Row) -> str:
    code = _code_words(row)
    when = f" at {instant(ended_at(row))} after {_milliseconds(row['duration_us'])}"
    started_from, version = row["expected_version"], row["actual_version"]
    match row["outcome"]:
        case "committed":
            return f" was committed{when}"
        case "replayed":
            return (
                f" was answered with the stored answer of an earlier save under its idempotency"
                f" key{when}"
            )
        case "conflict":
            known = None not in (started_from, version)
            met = f" (from version {started_from}, the quote was at {version})" if known else ""
            return f" was refused as a version conflict{when}{met}"
        case "rejected":
            return f" was refused as {code}{when}"
        case "failed":
            return f" failed with {code}{when}"
        case _:
            return f" is in doubt since {instant(ended_at(row))}, with {code}"


def _made_by(row: Row, maker: Maker | None) -> Iterator[str]:
    if row["outcome"] not in {"conflict", "replayed"}:
        return
    if maker is None:
        if row["outcome"] == "conflict":
            yield "who won is not known"
        return
    whose = (
        "a version without a correlation id"
        if maker.correlation_id is None
        else printable(maker.correlation_id)
    )
    yield f"{_made_words(row)} {whose}, {earlier(ended_at(row) - maker.at)}"


def _made_words(row: Row) -> str:
    if row["outcome"] == "replayed":
        return "the answer is that of"
    started_from, version = row["expected_version"], row["actual_version"]
    if None not in (started_from, version) and started_from > version:
        return f"version {started_from} was not made by then; the quote's last save was"
    return "the winner was"


def earlier(length: timedelta) -> str:
    """0.8 s earlier; clocks of two machines may say that it was not."""
    seconds = length.total_seconds()
    if seconds < 0:
        return "at about the same time"
    if seconds < _BLINK:
        return f"{length // timedelta(milliseconds=1)} ms earlier"
    if seconds < _MINUTE:
        return f"{int(seconds * 10) / 10:.1f} s earlier"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min earlier"
    return (
        f"{int(seconds // _HOUR)} h earlier"
        if seconds < 2 * _DAY
        else (f"{int(seconds // _DAY)} days earlier")
    )


# --- the steps ---


def steps(row: Row, *, drawn_up_at: datetime | None = None) -> Iterator[Step]:
    """What happened to an attempt, in its order.

    Args:
        row: of the view `ledger`, by column.
        drawn_up_at: when the version that it made was checked and priced; None if it made none.
    """
    yield Step(row["started_at"], "Received", f"as {printable(row['correlation_id'])}")
    if is_closed_by_sweeper(row):
        yield Step(None, "Cut off", "its process ended; how far it had come is not stored")
        yield Step(
            None,
            "Closed",
            "a row was put in its place, so that it cannot be committed any more; by whom and when"
            " is not stored",
        )
        return
    outside = max(row["duration_us"] - row["database_us"], 0)
    beside = f"{_milliseconds(outside)} outside the database in all, waits included"
    if drawn_up_at is not None:
        yield Step(drawn_up_at, "Checked and priced", beside)
    elif row["outcome"] == "rejected":
        yield Step(None, "Checked", beside)
    else:
        yield Step(None, "Checked and priced", f"if it came so far; {beside}")
    if row["database_us"]:
        yield Step(None, "In the database", f"{_milliseconds(row['database_us'])} in all")
    else:
        yield Step(None, "In the database", "no time there: it was not asked, or did not answer")
    if row["retries"]:
        times = "once" if row["retries"] == 1 else f"{row['retries']} times"
        yield Step(None, "Tried again", f"{times}, after a deadlock or serialization failure")
    yield Step(ended_at(row), _ENDINGS[row["outcome"]], stored(row))


_ENDINGS: Final = {
    "committed": "Committed",
    "replayed": "Answered again",
    "rejected": "Refused",
    "conflict": "Refused: conflict",
    "failed": "Failed",
    "indeterminate": "In doubt",
}


# --- the facts ---


def facts(row: Row) -> Iterator[tuple[str, str]]:
    """What is known of an attempt: labels and texts; first what its code means and asks for.

    Args:
        row: of the view `ledger`, by column.
    """
    meaning = _meaning(row)
    if meaning is not None:
        yield "meaning", meaning.when
        yield "caller", meaning.action
        yield "runbook", f"{_RUNBOOK}#{row['error_code'].lower()}"
    for label, column in _FACTS:
        if row[column] is not None:
            yield label, _text(column, row[column])


def _text(column: str, value: Any) -> str:  # noqa: ANN401  # whatever a column holds
    if column.endswith("_us"):
        return _milliseconds(value)
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
        case bytes() | memoryview():
            return bytes(value).hex()
        case list():
            return printable(", ".join(value))
        case _:
            return printable(str(value))


# --- parts ---


def printable(text: str) -> str:
    r"""The text with what cannot be seen spelled out: a line break as \u000a.

    Control characters move a terminal's cursor, and a right-to-left override turns round what
    stands behind it: both can make a sentence say what it does not.
    """
    return "".join(each if each.isprintable() else spelled(each) for each in text)


def spelled(character: str) -> str:
    r"""A character as JSON escapes it: a line break as \u000a."""
    point = ord(character)
    return f"\\u{point:04x}" if point <= _BMP_MAX else f"\\U{point:08x}"


def short_id(given: UUID) -> str:
    """The end of an id: ids made in the same minute begin alike."""
    return f"…{given.hex[-_SHORT:]}"


def instant(given: datetime) -> str:
    """2026-11-25 14:03:07.123 UTC, cut."""
    return f"{given.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"


def _milliseconds(microseconds: int) -> str:
    return f"{microseconds / 1000:,.3f} ms"


def _code_words(row: Row) -> str:
    """QUOTE_NOT_FOUND (quote not found)."""
    meaning = _meaning(row)
    if meaning is None:
        return "a code that this release does not know"
    return f"{row['error_code']} ({_inside(meaning.title)})"


def _meaning(row: Row) -> Meaning | None:
    """What its code means; None without one, and of one that a newer release wrote."""
    try:
        return TAXONOMY[ErrorCode(row["error_code"])]
    except ValueError:
        return None


def _inside(words: str) -> str:
    return words[0].lower() + words[1:]
