"""A whole replay: agencies made, stories told, the ledger compared, the data verified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psycopg
from psycopg_pool import PoolTimeout

from engine.clock import Clock
from engine.database.target import Target
from engine.integrity.rules import RULES, Rule, RuleResult
from engine.integrity.verification import verify
from engine.replay.agencies import Agency, needed, open_agencies
from engine.replay.agenda import Agenda, chains_of
from engine.replay.bookings import Booking
from engine.replay.reconciliation import Reconciliation, reconcile
from engine.replay.report import Report, make_report
from engine.replay.screen import Screen
from engine.replay.tally import Tally
from engine.replay.ways import Way
from engine.replay.workers import Run, carry_out, correlation_prefix, make_run_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How bookings are to be replayed.

    Attributes:
        bookings: in the order of the file.
        workers: attempts at once.
        days_per_second: how fast the booking clock runs; None for as fast as it goes.
    """

    bookings: Sequence[Booking]
    workers: int
    days_per_second: float | None = None


def replay(plan: Plan, way: Way, target: Target, clock: Clock, screen: Screen) -> Report:
    """Replays bookings on a migrated database and says what came of it.

    An interrupt ends it early, with a report.

    Args:
        plan: what to replay, and how fast.
        way: how to send.
        target: the database that the other end of the way saves to.
        clock: time and chance.
        screen: told how far it is.

    Raises:
        SetupError: the other end does not know the agencies made here.
    """
    name, tally = make_run_name(clock), Tally()
    agencies = _agencies(plan, way, target, clock, screen, name)
    agenda = Agenda(chains_of(plan.bookings), clock, plan.days_per_second)
    run = Run(
        name=name,
        agenda=agenda,
        agencies=agencies,
        open_sender=way.open_sender,
        tally=tally,
        clock=clock,
    )
    screen.begin("Bookings", len(plan.bookings))
    started = clock.monotonic()
    ending = carry_out(run, plan.workers, screen.show_tally)
    seconds = clock.monotonic() - started
    reconciliation: Reconciliation | None = None
    verified: list[RuleResult] | None = None
    try:
        with psycopg.connect(target.app, autocommit=True) as connection:
            screen.begin("Ledger", 1)
            reconciliation = reconcile(
                connection, clock, correlation_prefix(name), tally, way.settle
            )
            screen.begin("Rules verified", len(RULES))
            verified = verify(connection, clock, progress=_shown_on(screen))
    except (psycopg.Error, PoolTimeout):
        pass  # the report says that the one or the other is not known
    return make_report(
        run=name,
        via=way.name,
        workers=plan.workers,
        ending=ending,
        tally=tally,
        seconds=seconds,
        reconciliation=reconciliation,
        verified=verified,
    )


def _agencies(
    plan: Plan, way: Way, target: Target, clock: Clock, screen: Screen, run: str
) -> dict[str, Agency]:
    wanted = needed(plan.bookings)
    screen.begin("Agencies", len(wanted))
    agencies: dict[str, Agency] = {}
    for name, agency in open_agencies(target, clock, run, wanted):
        if not agencies:
            way.must_know(agency)
        agencies[name] = agency
        screen.show(len(agencies))
    return agencies


def _shown_on(screen: Screen) -> Callable[[Rule, int, int], None]:
    begun: set[str] = set()

    def show(rule: Rule, _done: int, _total: int) -> None:
        begun.add(rule.id)
        screen.show(len(begun) - 1)

    return show
