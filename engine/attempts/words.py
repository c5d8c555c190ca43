"""An attempt in words: one sentence that says what became of it, then its facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from engine.errors import TAXONOMY, ErrorCode

_RUNBOOK: Final = "docs/runbooks/errors.md"
_ENDED: Final = {
    "committed": "was committed",
    "replayed": "was replayed: an earlier save under its idempotency key was answered again",
    "rejected": "was refused",
    "conflict": "lost to another save",
    "failed": "failed, and nothing was saved",
    "indeterminate": "is in doubt, and may have been saved or not",
}
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


def sentence(row: Mapping[str, Any]) -> str:
    """What became of an attempt.

    Args:
        row: of the view `ledger`, by column.
    """
    said = f"{row['operation']} {_ENDED[row['outcome']]}"
    if row["error_code"] is not None:
        said += f": {row['error_code']}"
    started_from, version = row["expected_version"], row["actual_version"]
    if row["outcome"] == "conflict" and None not in (started_from, version):
        return f"{said}. It started from version {started_from}, the quote was at {version}."
    if row["outcome"] == "committed" and version is not None:
        said += f" as version {version}"
    return f"{said}."


def facts(row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is known of an attempt: labels and texts; first what its code means and asks for.

    Args:
        row: of the view `ledger`, by column.
    """
    if row["error_code"] is not None:
        meaning = TAXONOMY[ErrorCode(row["error_code"])]
        yield "meaning", meaning.when
        yield "caller", meaning.action
        yield "runbook", f"{_RUNBOOK}#{row['error_code'].lower()}"
    for label, column in _FACTS:
        if row[column] is not None:
            yield label, _text(column, row[column])


def _text(column: str, value: Any) -> str:  # noqa: ANN401  # whatever a column holds
    if column.endswith("_us"):
        return f"{value / 1000:,.3f} ms"
    match value:
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"
        case bytes() | memoryview():
            return bytes(value).hex()
        case list():
            return ", ".join(value)
        case _:
            return str(value)
