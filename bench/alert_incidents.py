"""What goes wrong in the simulated month: one incident of each kind, and who must see it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from bench.simulated_traffic import Incident
from engine.alerting.rules import Watched
from engine.errors import ErrorCode as C
from engine.quotes.lifecycle import Operation

_BURNING: Final = ("service_success_rate", "latency_p95", "latency_p99", "critical_error_rate")


def _at(day: int, hour: int) -> timedelta:
    return timedelta(days=day, hours=hour)


def _min(minutes: int) -> timedelta:
    return timedelta(minutes=minutes)


def _burns(pair: int) -> tuple[str, ...]:
    return tuple(f"BURN-{key}-{pair}" for key in _BURNING)


# The first day is a Monday. Slow ones come last, because their windows remember for days.
INCIDENTS: Final = (
    Incident("database timeouts, 0.5 %", _at(1, 10), _min(10), ("CRITICAL-003",),
             codes={C.DATABASE_TIMEOUT: 0.005}),
    Incident("transactions given up, 0.5 %", _at(1, 14), _min(10), ("CRITICAL-004",),
             codes={C.DATABASE_TRANSACTION_ABORTED: 0.005}),
    Incident("quotes not stored, 3 %", _at(2, 10), _min(20), ("CRITICAL-002", "CRITICAL-001"),
             codes={C.QUOTE_PERSISTENCE_FAILED: 0.03}),
    Incident("internal errors, 4 %", _at(2, 14), _min(20), ("CRITICAL-001",),
             codes={C.INTERNAL_ERROR: 0.04}),
    Incident("rollbacks, 6 %", _at(3, 10), _min(20), ("HIGH-001",), retried=0.06),
    Incident("latency: 12 % over 500 ms", _at(3, 14), _min(30), ("HIGH-003",), over_p95=0.12),
    Incident("latency: 4 % over 1 s", _at(4, 10), _min(30), ("HIGH-004",),
             over_p95=0.045, over_p99=0.04),
    Incident("conflicts, 1 %", _at(4, 14), _min(15), ("HIGH-005",),
             codes={C.QUOTE_CONFLICT_VERSION: 0.01}),
    Incident("invalid quotes, 5 %", _at(7, 10), _min(15), ("MEDIUM-001",),
             codes={C.QUOTE_VALIDATION_FAILED: 0.05}),
    Incident("quotes not found, 4.5 %", _at(7, 12), _min(15), ("MEDIUM-002",),
             codes={C.QUOTE_NOT_FOUND: 0.045}),
    Incident("somebody tries keys", _at(7, 15), _min(15), ("MEDIUM-003",), unknown_callers=1.0),
    Incident("updates refused, 7.5 %", _at(8, 10), _min(20), ("HIGH-002-UPDATE",),
             codes={C.AUTHORIZATION_FAILED: 0.075}, operation=Operation.UPDATE),
    Incident("a fifth of all is refused", _at(8, 14), _min(15), ("HIGH-002", "HIGH-002-UPDATE"),
             codes={C.CLIENT_NOT_FOUND: 0.2}),
    Incident("nobody comes through", _at(9, 10), _min(60), ("HIGH-002",), arrivals=0.0),
    Incident("nothing can be stored", _at(9, 15), _min(20),
             ("CRITICAL-001", "CRITICAL-002", "HIGH-002", "BURN-service_success_rate-1",
              "BURN-critical_error_rate-1"),
             codes={C.QUOTE_PERSISTENCE_FAILED: 1.0}),
    Incident("everything burns 18 times too fast", _at(11, 10), _min(90), _burns(1),
             codes={C.DATABASE_TIMEOUT: 0.16, C.INTERNAL_ERROR: 0.0195},
             over_p95=0.9, over_p99=0.18),
    Incident("everything burns 9 times too fast", _at(14, 9), _min(300), _burns(2),
             codes={C.DATABASE_TIMEOUT: 0.08, C.INTERNAL_ERROR: 0.009},
             over_p95=0.45, over_p99=0.09),
    Incident("everything burns 4.5 times too fast", _at(17, 8), _min(720), _burns(3),
             codes={C.DATABASE_TIMEOUT: 0.04, C.INTERNAL_ERROR: 0.0045},
             over_p95=0.225, over_p99=0.045),
    Incident("all budgets burn 1.7 times too fast", _at(22, 8), timedelta(days=4),
             (*_burns(4), "BUDGET-success_rate", "BUDGET-conflict_rate", "BUDGET-rollback_rate",
              "BUDGET-validation_rate"),
             codes={C.DATABASE_TIMEOUT: 0.0152, C.INTERNAL_ERROR: 0.0016,
                    C.QUOTE_CONFLICT_VERSION: 0.0017, C.QUOTE_VALIDATION_FAILED: 0.0085},
             retried=0.0085, over_p95=0.085, over_p99=0.017),
)  # fmt: skip

# For how long nobody comes, and from when on: in a service's first week, and in its third.
STOPPED: Final = timedelta(hours=12)
STOPS: Final = (
    Incident("Friday at 10, first week", _at(4, 10), STOPPED, ("HIGH-002",), arrivals=0.0),
    Incident("Tuesday at 10, third week", _at(15, 10), STOPPED, ("HIGH-002",), arrivals=0.0),
)

# What stands still, from when on, and for how long.
STANDSTILLS: Final = (
    (Watched.EVALUATOR, "WATCH-001", _at(5, 10), _min(10)),
    (Watched.ROLLER, "WATCH-001-ROLLER", _at(5, 12), _min(10)),
    (Watched.SPOOL, "WATCH-001-SPOOL", _at(5, 14), _min(10)),
)


def of_days(days: int, incidents: Iterable[Incident] = INCIDENTS) -> tuple[Incident, ...]:
    """Those that are over in so many days."""
    return tuple(each for each in incidents if each.end <= timedelta(days=days))


def expected(incidents: Iterable[Incident]) -> frozenset[str]:
    """The rules that must fire."""
    return frozenset(rule_id for each in incidents for rule_id in each.expected)
