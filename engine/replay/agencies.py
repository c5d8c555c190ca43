"""Which agency quotes for a booking, and to which client; and making their accounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from sqlmodel import Session

from engine.access.accounts import add_agent
from engine.clock import Clock
from engine.database.migrate import owner_engine
from engine.database.target import Target
from engine.quotes.clients import add_client
from engine.replay.bookings import Booking

# Bookings that came without an agency, 14 % of the file, are not one agency: a stand-in for all of
# them would be the second busiest agent, and a hot shard. By country they would still be (two
# thirds are Portuguese). Each hotel sells them over this many desks of its own instead, in turn by
# the row's place in the file; each desk is then as busy as a middling agency.
DESKS: Final = 32
_NO_AGENCY: Final = frozenset({"", "NULL", "NA"})
_NAME_MAX: Final = 80
# Rows in one transaction: few enough to hold no lock for long, enough to make commits cheap.
_BATCH: Final = 500


class Party(NamedTuple):
    """Whom an agency quotes for: guests of one country and one customer type are one client."""

    country: str
    customer_type: str


@dataclass(frozen=True, slots=True)
class Agency:
    """An agent of this run, with its key, which is kept in memory only."""

    agent_id: UUID
    account_id: UUID
    api_key: str = field(repr=False)
    client_ids: dict[Party, UUID]


def agency_name(booking: Booking) -> str:
    """The agency of a booking, or the hotel's own desk."""
    if booking.agent in _NO_AGENCY:
        return f"{booking.hotel}, desk {booking.number % DESKS + 1}"
    return f"Travel agency {booking.agent}"


def party_of(booking: Booking) -> Party:
    """The client of a booking."""
    return Party(booking.country, booking.customer_type)


def needed(bookings: Iterable[Booking]) -> dict[str, set[Party]]:
    """The agencies of some bookings, in order of appearance, each with its clients."""
    found: dict[str, set[Party]] = {}
    for booking in bookings:
        found.setdefault(agency_name(booking), set()).add(party_of(booking))
    return found


def open_agencies(
    target: Target, clock: Clock, run: str, wanted: Mapping[str, Iterable[Party]]
) -> Iterator[tuple[str, Agency]]:
    """Makes the agents and their clients; yields each agency once it is committed.

    The run's name stands in every e-mail address, so that another replay on the same database
    makes other agents. The first agency is committed by itself: who finds that it is of no use
    leaves no others behind.

    Raises:
        sqlalchemy.exc.DBAPIError: the database could not be used.
    """
    engine = owner_engine(target.app)
    with Session(engine) as session:
        made: list[tuple[str, Agency]] = []
        rows = 0
        for place, (name, parties) in enumerate(wanted.items(), start=1):
            agency = _open(session, clock, name, f"{run}-{place}@replay.example", sorted(parties))
            made.append((name, agency))
            rows += 1 + len(agency.client_ids)
            if rows >= _BATCH or place == 1:
                session.commit()
                yield from made
                made, rows = [], 0
        session.commit()
        yield from made


def _open(
    session: Session, clock: Clock, name: str, email: str, parties: Iterable[Party]
) -> Agency:
    agent = add_agent(session, clock, name=_printable(name), email=email.lower())
    agency = Agency(agent.agent_id, agent.account_id, agent.api_key, {})
    for party in parties:
        agency.client_ids[party] = add_client(
            session,
            clock,
            agent_id=agent.agent_id,
            first_name=_printable(party.customer_type),
            last_name=_printable(party.country),
            email="guests@guests.example",
        )
    return agency


def _printable(text: str) -> str:
    """A name made of what the file says; the file may say anything."""
    return "".join(each if each.isprintable() else "?" for each in text[:_NAME_MAX]) or "?"
