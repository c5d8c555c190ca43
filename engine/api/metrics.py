"""What this process counts, in the Prometheus text format.

These are a process's own counters, lost when it ends; the ledger is the truth that they are
compared with.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from engine.api.edge import Arrival
from engine.attempts.ledger import AttemptRow
from engine.attempts.outcome import Outcome
from engine.errors import TAXONOMY
from engine.quotes.lifecycle import Operation
from engine.runtime import Runtime
from engine.saving.answer import SaveResult

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CODE_NAMES = {meaning.number: code.value for code, meaning in TAXONOMY.items()}


class Metrics:
    """Counters of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "saveguard_requests", "Requests that reached the edge.", registry=self.registry
        )
        self._malformed = Counter(
            "saveguard_malformed_correlation_ids",
            "Inbound correlation ids that were replaced.",
            registry=self.registry,
        )
        self._attempts = Counter(
            "saveguard_attempts",
            "Ended attempts.",
            ["operation", "outcome", "code"],
            registry=self.registry,
        )
        self._duration = Histogram(
            "saveguard_attempt_duration_seconds",
            "From arrival to the answer, the flush of the commit included.",
            ["operation"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._open = Gauge(
            "saveguard_open_attempts", "Attempts begun and not ended.", registry=self.registry
        )
        self._spooled = Gauge(
            "saveguard_spooled_attempts",
            "Attempts that the ledger has yet to take.",
            registry=self.registry,
        )
        self._in_doubt = Gauge(
            "saveguard_attempts_in_doubt",
            "Attempts of which nobody knows yet whether they were committed.",
            registry=self.registry,
        )
        self._pool = Gauge(
            "saveguard_pool", "The connection pools' own figures.", ["pool", "figure"],
            registry=self.registry,
        )  # fmt: skip

    def arrived(self, _arrival: Arrival, is_malformed: bool) -> None:  # noqa: FBT001  # a callback
        """Counts a request at the edge."""
        self._requests.inc()
        if is_malformed:
            self._malformed.inc()

    def ended(self, row: AttemptRow, _result: SaveResult, seconds: float) -> None:
        """Counts an ended attempt."""
        operation = Operation(row.operation).name
        self._attempts.labels(
            operation, Outcome(row.outcome).name.lower(), _CODE_NAMES.get(row.error_code or 0, "")
        ).inc()
        self._duration.labels(operation).observe(seconds)

    def exposition(self, runtime: Runtime) -> bytes:
        """The counters and the present state, in text."""
        self._open.set(runtime.journal.open_count)
        self._spooled.set(len(runtime.journal.spooled()))
        self._in_doubt.set(len(runtime.journal.in_doubt()))
        pools = {
            "save": runtime.save_pool,
            "read": runtime.read_pool,
            "alert": runtime.alert_pool,
        }
        for name, pool in pools.items():
            for figure, value in pool.stats().items():
                self._pool.labels(name, figure).set(value)
        return generate_latest(self.registry)
