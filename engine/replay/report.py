"""The report of a replay: what it did, in figures."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from engine.attempts.outcome import Outcome
from engine.integrity.rules import RULES, RuleResult
from engine.payload import encode
from engine.quotes.lifecycle import Operation
from engine.replay.reconciliation import Reconciliation
from engine.replay.tally import Fate, Percentiles, Tally, percentiles
from engine.replay.workers import Ending

UNANSWERED: Final = "unanswered"
IN_DOUBT: Final = Outcome.INDETERMINATE.name.lower()
ALL: Final = "all"
OUTCOMES: Final = (*(outcome.name.lower() for outcome in Outcome), UNANSWERED)


class Latency(msgspec.Struct, frozen=True, rename="camel"):
    """Milliseconds from sending to the answer, exact percentiles by the nearest rank."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


class Attempts(msgspec.Struct, frozen=True, rename="camel"):
    """The attempts of one operation, or of all.

    Attributes:
        operation: which, or `all`.
        by_outcome: how many ended how; only outcomes that there were.
        sent: all of them.
        latency: None when none was answered.
    """

    operation: str
    by_outcome: dict[str, int]
    sent: int
    latency: Latency | None


class Reason(msgspec.Struct, frozen=True, rename="camel"):
    """Bookings refused at their creation for one reason."""

    code: str
    reason: str
    bookings: int


class Difference(msgspec.Struct, frozen=True, rename="camel"):
    """A kind of attempt of which the ledger has another number than was answered."""

    operation: str
    outcome: str
    code: str | None
    answered: int
    in_ledger: int


class BrokenRule(msgspec.Struct, frozen=True, rename="camel"):
    """An integrity rule that does not hold; of the whole database, not of the run alone."""

    rule: str
    violations: int


class Report(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What a replay did.

    Attributes:
        run: its name; every correlation id of it starts with `RPL-<run>-`.
        via: engine or http.
        workers: attempts at once.
        ending: complete, interrupted, or why not.
        bookings: rows taken from the file.
        fates: the same by how they came out.
        steps: operations in the stories of those rows.
        unsent: of these, not sent because of an earlier refusal or the end of the run.
        repeats: attempts that repeat a step.
        attempts: by operation, the last one all together; sent = steps - unsent + repeats.
        codes: attempts by the code that refused them.
        reasons: bookings refused at their creation.
        seconds: from the first attempt to the last answer.
        saves: committed attempts.
        saves_per_second: the same by time.
        ledger_rows: rows of the ledger with the run's correlation ids; None when it could not be
            asked.
        unanswered_in_ledger: of these, attempts whose answer was lost.
        in_doubt_in_ledger: of these, attempts that were answered as indeterminate.
        agrees: whether each answered attempt has one row that says what the sender was told.
        differences: where it does not.
        is_verified: whether all integrity rules were checked.
        broken_rules: those that do not hold.
    """

    run: str
    via: str
    workers: int
    ending: str
    bookings: int
    fates: dict[str, int]
    steps: int
    unsent: int
    repeats: int
    attempts: list[Attempts]
    codes: dict[str, int]
    reasons: list[Reason]
    seconds: float
    saves: int
    saves_per_second: float
    ledger_rows: int | None
    unanswered_in_ledger: int
    in_doubt_in_ledger: int
    agrees: bool
    differences: list[Difference]
    is_verified: bool
    broken_rules: list[BrokenRule]

    @property
    def total(self) -> Attempts:
        """All attempts together."""
        return self.attempts[-1]

    @property
    def is_clean(self) -> bool:
        """Whether the ledger agrees and every rule holds; what is not known does not count."""
        return self.agrees and self.is_verified and not self.broken_rules


def make_report(
    *,
    run: str,
    via: str,
    workers: int,
    ending: Ending,
    tally: Tally,
    seconds: float,
    reconciliation: Reconciliation | None,
    verified: Sequence[RuleResult] | None,
) -> Report:
    """Puts a finished run into figures.

    Args:
        run: its name.
        via: how it was sent.
        workers: how many attempts at once.
        ending: how it ended.
        tally: what was counted.
        seconds: how long it took.
        reconciliation: the comparison with the ledger, None when it could not be made.
        verified: what checking the integrity rules found, None when they could not be checked.
    """
    attempts = _attempts(tally)
    codes: Counter[str] = Counter()
    for ended, count in tally.attempts.items():
        if ended.code is not None:
            codes[ended.code.value] += count
    return Report(
        run=run,
        via=via,
        workers=workers,
        ending=ending.value,
        bookings=tally.bookings,
        fates={fate.value: tally.fates[fate] for fate in Fate if tally.fates[fate]},
        steps=attempts[-1].sent - tally.repeats + tally.unsent,
        unsent=tally.unsent,
        repeats=tally.repeats,
        attempts=attempts,
        codes=dict(codes.most_common()),
        reasons=[
            Reason("" if code is None else code.value, reason, count)
            for (code, reason), count in sorted(
                tally.reasons.items(), key=lambda each: (-each[1], each[0][0] or "", each[0][1])
            )
        ],
        seconds=round(seconds, 3),
        saves=tally.saves,
        saves_per_second=round(tally.saves / seconds, 1) if seconds > 0 else 0.0,
        ledger_rows=None if reconciliation is None else reconciliation.rows,
        unanswered_in_ledger=0 if reconciliation is None else reconciliation.recorded_unanswered,
        in_doubt_in_ledger=0 if reconciliation is None else reconciliation.recorded_in_doubt,
        agrees=reconciliation is not None and reconciliation.agrees,
        differences=[
            Difference(
                kind.operation.name,
                kind.outcome.name.lower(),
                None if kind.code is None else kind.code.value,
                answered,
                recorded,
            )
            for kind, answered, recorded in (reconciliation.differences if reconciliation else ())
        ],
        is_verified=verified is not None and {each.rule.id for each in verified} == RULES.keys(),
        broken_rules=[
            BrokenRule(each.rule.id, each.violations) for each in verified or () if each.violations
        ],
    )


def _attempts(tally: Tally) -> list[Attempts]:
    by_operation: dict[Operation, Counter[str]] = {}
    for ended, count in tally.attempts.items():
        outcomes = by_operation.setdefault(ended.operation, Counter())
        outcomes[ended.outcome.name.lower()] += count
    for operation in tally.unanswered.values():
        by_operation.setdefault(operation, Counter())[UNANSWERED] += 1
    everything: Counter[str] = Counter()
    all_latencies = array("Q")
    rows = []
    for operation in sorted(by_operation):
        latencies = tally.latencies_us.get(operation, array("Q"))
        all_latencies.extend(latencies)
        everything.update(by_operation[operation])
        rows.append(_row(operation.name, by_operation[operation], percentiles(latencies)))
    return [*rows, _row(ALL, everything, percentiles(all_latencies))]


def _row(operation: str, outcomes: Counter[str], latency: Percentiles | None) -> Attempts:
    by_outcome = {name: outcomes[name] for name in OUTCOMES if outcomes[name]}
    return Attempts(
        operation, by_outcome, outcomes.total(), None if latency is None else Latency(*latency)
    )


def as_json(report: Report) -> str:
    """The report as one JSON object."""
    return encode(report).decode()
