"""A replay on a real PostgreSQL, both ways: every row sent, the right code, an exact ledger."""

from __future__ import annotations

import itertools
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from http.client import HTTPConnection, parse_headers
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

import engine
from engine.attempts.outcome import Outcome, Source
from engine.clock import FrozenClock
from engine.database.target import Target
from engine.errors import ErrorCode, SetupError
from engine.quotes.lifecycle import Operation
from engine.replay.agencies import Agency, needed, open_agencies
from engine.replay.bookings import Booking, read_bookings
from engine.replay.http_sender import Address, HttpSender
from engine.replay.reconciliation import reconcile
from engine.replay.replay import Plan, replay
from engine.replay.report import Report
from engine.replay.screen import Screen
from engine.replay.sender import Message, Reply, Unanswered, Unreachable
from engine.replay.tally import Ended, Tally
from engine.replay.ways import Way, engine_way, http_way
from engine.runtime import Runtime
from tests.api.service import Service, cloned, served, settings_in
from tests.database.cluster_harness import eventually
from tests.unit.examples import attempt_row
from tests.unit.replay_examples import row, write_csv

REPOSITORY: Final = Path(engine.__file__).parents[1]
AGENCIES: Final = ("9", "240", "1", "NULL", "14", "NULL")
COUNTRIES: Final = ("PRT", "GBR", "NULL")
INVALID: Final = ErrorCode.QUOTE_VALIDATION_FAILED.value

# What is wrong with a row → how the engine says it.
NO_NIGHTS: Final = {"stays_in_weekend_nights": "0", "stays_in_week_nights": "0"}
NO_DATE: Final = "must be an ISO 8601 date, or date and time"
DIRT: Final = (
    ({"adr": "-6.38"}, "hotels[0].price must be between 0 and 99999999.99"),
    ({"adr": "123456789012"}, "hotels[0].price must be between 0 and 99999999.99"),
    ({"adr": "NA"}, "hotels[0].price must be a decimal number"),
    ({"adults": "0", "children": "0"}, "adults must be between 1 and 50"),
    ({"adults": "NA"}, "adults must be a whole number"),
    ({"children": "NA"}, "children must be a whole number"),
    ({"babies": "-1"}, "infants must be between 0 and 50"),
    (NO_NIGHTS, "endDate must be after startDate"),
    ({"adults": "49", "children": "3"}, "adults with children and infants at most 50"),
    (
        {"arrival_date_day_of_month": "32"},
        f"startDate {NO_DATE}; endDate {NO_DATE}; hotels[0].checkIn {NO_DATE}; and 1 more",
    ),
)


def clean_rows(count: int) -> list[dict[str, str]]:
    """Rows in the proportions of the file: agencies, endings, changes; nothing wrong with them."""
    return [
        row(
            hotel="Resort Hotel" if n % 3 else "City Hotel",
            lead_time=str(n * 7 % 90),
            agent=AGENCIES[n % len(AGENCIES)],
            country=COUNTRIES[n % len(COUNTRIES)],
            distribution_channel="Direct" if n % 5 == 0 else "TA/TO",
            booking_changes=str((n % 10 == 0) * (n % 4)),
            adr=("0", "96.14", "120.5", "75")[n % 4],
            **ENDINGS[n % len(ENDINGS)],
        )
        for n in range(1, count + 1)
    ]


ENDINGS: Final[Sequence[dict[str, str]]] = (
    {},
    {},
    {"reservation_status": "Canceled", "reservation_status_date": "2016-03-09"},
    {"reservation_status": "Canceled", "reservation_status_date": "2012-01-01"},
    {"reservation_status": "No-Show", "reservation_status_date": "2016-03-10"},
)


@pytest.fixture
def rows() -> list[dict[str, str]]:
    """Three hundred rows: clean ones, dirty ones, and forty that repeat an earlier one."""
    dirty = [row(**changes) for changes, _ in DIRT]
    clean = clean_rows(250)
    return [*clean, *dirty, *clean[:40]]


@pytest.fixture
def bookings(rows: list[dict[str, str]], tmp_path: Path) -> list[Booking]:
    return read_bookings(write_csv(tmp_path / "bookings.csv.gz", rows, compressed=True))


def replayed(
    way: Way, target: Target, runtime: Runtime, bookings: Sequence[Booking], workers: int = 8
) -> Report:
    plan = Plan(bookings=bookings, workers=workers)
    return replay(plan, way, target, runtime.clock, Screen(runtime.clock))


def via_engine(runtime: Runtime, bookings: Sequence[Booking], workers: int = 8) -> Report:
    way = engine_way(runtime, Source.LIVE)
    return replayed(way, runtime.target, runtime, bookings, workers)


@pytest.fixture
def service(server: str, template: str, tmp_path: Path) -> Iterator[Service]:
    """A server with a database of its own."""
    with cloned(server, template) as target, served(target, settings_in(tmp_path / "api")) as made:
        yield made


def via_http(service: Service, bookings: Sequence[Booking], workers: int = 8) -> Report:
    way = http_way(Address(service.url))
    return replayed(way, service.runtime.target, service.runtime, bookings, workers)


def asked(target: Target, question: str, *values: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(target.owner) as connection:
        return connection.execute(question.encode(), values or None).fetchall()


# --- every row, the right code ---


def test_dirty_rows_are_refused_by_the_engine_and_everything_else_is_saved(
    runtime: Runtime, bookings: list[Booking]
) -> None:
    report = via_engine(runtime, bookings)

    assert report.is_clean, report
    assert report.codes == {INVALID: len(DIRT)}
    assert {each.reason: each.bookings for each in report.reasons} == Counter(
        said for _, said in DIRT
    )
    assert report.fates == {
        "told to the end": len(bookings) - len(DIRT),
        "refused at its creation": len(DIRT),
    }
    assert asked(runtime.target, "SELECT count(*) FROM quote") == [(len(bookings) - len(DIRT),)]


def test_the_figures_add_up_with_the_ledger_and_the_quotes(
    runtime: Runtime, bookings: list[Booking]
) -> None:
    report = via_engine(runtime, bookings)

    in_ledger = asked(
        runtime.target,
        "SELECT operation, outcome, error_code, count(*) FROM ledger GROUP BY 1, 2, 3",
    )
    assert report.total.sent == report.ledger_rows == sum(count for *_, count in in_ledger)
    assert report.total.sent == report.steps - report.unsent
    assert report.total.by_outcome["committed"] == report.saves
    by_operation = {each.operation: each.sent for each in report.attempts[:-1]}
    assert set(by_operation) == {"CREATE", "UPDATE", "DELETE", "SEND", "ACCEPT", "REJECT"}
    for operation, sent in by_operation.items():
        assert sent == sum(count for name, *_, count in in_ledger if name == operation)
    (saves,) = asked(runtime.target, "SELECT sum(version) FROM quote")[0]
    assert saves == report.saves
    statuses = dict(asked(runtime.target, "SELECT status, count(*) FROM quote GROUP BY 1"))
    assert statuses["ACCEPTED"] == by_operation["ACCEPT"]
    assert statuses["REJECTED"] == by_operation["REJECT"]
    assert statuses["CANCELLED"] == by_operation["DELETE"]
    assert (
        statuses["SENT"] == by_operation["SEND"] - by_operation["ACCEPT"] - by_operation["REJECT"]
    )
    assert "DRAFT" not in statuses


def test_rows_that_repeat_an_earlier_row_are_all_saved(runtime: Runtime, tmp_path: Path) -> None:
    bookings = read_bookings(write_csv(tmp_path / "same.csv", [row() | {"row": "7"}] * 30))

    report = via_engine(runtime, bookings)

    assert report.fates == {"told to the end": 30}
    assert "replayed" not in report.total.by_outcome
    assert asked(runtime.target, "SELECT count(DISTINCT quote_number) FROM quote") == [(30,)]
    bodies = "SELECT count(*), count(DISTINCT payload_hash) FROM ledger WHERE operation = 'CREATE'"
    assert asked(runtime.target, bodies) == [(30, 1)]


def test_the_steps_of_a_booking_stand_in_the_ledger_in_their_order(
    runtime: Runtime, bookings: list[Booking]
) -> None:
    via_engine(runtime, bookings)

    histories = asked(
        runtime.target,
        "SELECT quote_id, string_agg(operation, ' ' ORDER BY started_at), "
        "array_agg(actual_version ORDER BY started_at) "
        "FROM ledger WHERE quote_id IS NOT NULL GROUP BY 1",
    )
    assert len(histories) == len(bookings) - len(DIRT)
    for _, operations, versions in histories:
        assert versions == list(range(1, len(versions) + 1))
        assert operations.split()[0] == "CREATE"
        assert operations.split()[-1] in {"SEND", "ACCEPT", "REJECT", "DELETE"}


def test_what_is_saved_is_what_the_row_says(runtime: Runtime, tmp_path: Path) -> None:
    one = row(booking_changes="3", adr="96.14", adults="2", children="1")
    via_engine(runtime, read_bookings(write_csv(tmp_path / "one.csv", [one])))

    ((total, travelers, hotels, destination, status, days),) = asked(
        runtime.target,
        "SELECT total, travelers, hotels, destination, status, duration_days FROM quote",
    )

    assert str(total) == "333.68"  # 96.14 for three nights, 15 % on it, and taxes of 2 by change 2
    assert (travelers, destination, status, days) == (3, "Lisbon", "ACCEPTED", 3)
    assert [(each["roomType"], each["nights"]) for each in hotels] == [("D", 3)]


def test_a_second_replay_on_the_same_database_makes_other_agents(
    runtime: Runtime, bookings: list[Booking]
) -> None:
    first = via_engine(runtime, bookings[:50])
    second = via_engine(runtime, bookings[:50])

    assert first.run != second.run
    assert first.total.sent == second.total.sent == second.ledger_rows
    assert second.is_clean
    (agents,) = asked(runtime.target, "SELECT count(*) FROM agent")[0]
    (emails,) = asked(runtime.target, "SELECT count(DISTINCT lower(email)) FROM account")[0]
    assert agents == emails == 2 * len(needed(bookings[:50]))


def test_the_ledger_calls_it_what_it_is_told_to(runtime: Runtime, bookings: list[Booking]) -> None:
    replayed(engine_way(runtime, Source.LOAD), runtime.target, runtime, bookings[:20])

    assert asked(runtime.target, "SELECT DISTINCT source FROM ledger") == [("load",)]


# --- both ways ---


def test_both_ways_leave_the_same_ledger(
    runtime: Runtime, service: Service, bookings: list[Booking]
) -> None:
    straight, over_http = via_engine(runtime, bookings), via_http(service, bookings)

    assert over_http.is_clean, over_http
    assert kinds(over_http) == kinds(straight)
    assert over_http.reasons == straight.reasons
    assert over_http.ledger_rows == straight.ledger_rows
    assert asked(service.runtime.target, CONTENT) == asked(runtime.target, CONTENT)


def kinds(report: Report) -> list[tuple[str, dict[str, int], int]]:
    return [(each.operation, each.by_outcome, each.sent) for each in report.attempts]


CONTENT: Final = """
    SELECT agent_notes, trip_name, total, status, version, hotels, custom_notes, travelers
    FROM quote
    ORDER BY agent_notes, version
"""


def test_a_save_whose_answer_is_lost_on_the_line_is_saved_once(
    service: Service, bookings: list[Booking]
) -> None:
    clean = bookings[:20]
    with cutting_proxy(service.address, cut_after_answers={3, 20, 40}) as url:
        way = http_way(Address(url))
        report = replayed(way, service.runtime.target, service.runtime, clean, workers=1)

    assert report.is_clean, report
    assert report.total.by_outcome["unanswered"] == report.repeats == 3
    assert report.total.by_outcome["replayed"] == report.unanswered_in_ledger == 3
    assert report.fates == {"told to the end": 20}
    assert asked(service.runtime.target, "SELECT count(*) FROM quote") == [(20,)]


@contextmanager
def cutting_proxy(address: tuple[str, int], cut_after_answers: set[int]) -> Iterator[str]:
    """Hands everything on, but instead of some answers hangs up; counted over all lines."""
    counter = itertools.count(1)

    def serve(caller: socket.socket) -> None:
        server = HTTPConnection(*address)
        with closing(server), caller.makefile("rb") as requests:
            while asked_for := requests.readline():
                headers = parse_headers(requests)
                body = requests.read(int(headers.get("content-length", "0")))
                method, path, _ = asked_for.decode().split()
                server.request(method, path, body, dict(headers.items()))
                answer = server.getresponse()
                content = answer.read()
                if method != "GET" and next(counter) in cut_after_answers:
                    return
                head = [f"HTTP/1.1 {answer.status} {answer.reason}"]
                head += [f"{name}: {value}" for name, value in answer.getheaders()]
                caller.sendall("\r\n".join([*head, "", ""]).encode() + content)

    with accepting(serve) as url:
        yield url


@contextmanager
def accepting(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serves every caller on a thread of its own, until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def attend(caller: socket.socket) -> None:
        with caller:
            serve(caller)

    def accept() -> None:
        with suppress(OSError):  # closed at the end
            while True:
                threads.append(threading.Thread(target=attend, args=[listener.accept()[0]]))
                threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for thread in [acceptor, *threads]:
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def line(service: Service, bookings: list[Booking]) -> Iterator[tuple[HttpSender, Agency]]:
    """A line to a server, and an agency that it knows."""
    runtime = service.runtime
    sender = HttpSender(Address(service.url))
    ((_, agency),) = open_agencies(runtime.target, runtime.clock, "test", needed(bookings[:1]))
    yield sender, agency
    sender.close()


def message_of(agency: Agency, key: str = "key", correlation_id: str = "RPL-test-1") -> Message:
    """A create that any engine takes."""
    body = {"tripName": "Lisbon", "destination": "Lisbon", "adults": 2}
    return Message(
        agency=agency,
        operation=Operation.CREATE,
        body=body | {"startDate": "2016-03-10", "endDate": "2016-03-13"},
        quote_id=None,
        version=0,
        correlation_id=correlation_id,
        idempotency_key=key,
    )


def agency_at(number: int) -> Agency:
    return Agency(UUID(int=number), UUID(int=number), "sgk_unknown", {})


def test_a_line_that_the_server_closed_meanwhile_costs_no_answer(
    line: tuple[HttpSender, Agency],
) -> None:
    sender, agency = line
    assert sender.send(message_of(agency, "first")).outcome is Outcome.COMMITTED
    opened = sender._connection.sock
    assert opened is not None
    opened.shutdown(socket.SHUT_RD)  # reads as a line that the other end has closed

    reply = sender.send(message_of(agency, "second"))

    assert reply.outcome is Outcome.COMMITTED
    assert sender._connection.sock is not opened


def test_the_same_key_is_answered_again(line: tuple[HttpSender, Agency]) -> None:
    sender, agency = line
    first = sender.send(message_of(agency))

    second = sender.send(message_of(agency, correlation_id="RPL-test-2"))

    assert second == replace(first, outcome=Outcome.REPLAYED)


def test_who_is_no_saveguard_gives_no_answer_of_ours() -> None:
    with answering(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\noops") as url:
        sender = HttpSender(Address(url))

        with pytest.raises(Unanswered):
            sender.send(message_of(agency_at(1)))
        with pytest.raises(SetupError, match="is no Saveguard"):
            Address(url).must_answer()

        sender.close()


@contextmanager
def answering(response: bytes) -> Iterator[str]:
    """A server that says the same whatever it is asked."""
    with accepting(lambda caller: say(caller, response)) as url:
        yield url


def say(caller: socket.socket, response: bytes) -> None:
    if caller.recv(1 << 20):
        caller.sendall(response)


def test_nobody_there_is_not_an_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    sender = HttpSender(Address(f"http://127.0.0.1:{port}"))

    with pytest.raises(Unreachable):
        sender.send(message_of(agency_at(1)))


@pytest.mark.parametrize("url", ["127.0.0.1:8501", "ftp://host", "http://", "http://host:port"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SetupError, match="is not an address"):
        Address(url)


# --- the comparison ---


def test_the_comparison_waits_for_rows_that_are_still_on_their_way(
    runtime: Runtime, tmp_path: Path
) -> None:
    # While a row waits in the journal, the rows of refusals queue up behind it.
    runtime.journal.spool(attempt_row(origin_id=0))
    dirty = [row(**changes) for changes, _ in DIRT]

    report = via_engine(runtime, read_bookings(write_csv(tmp_path / "dirty.csv", dirty)))

    assert report.is_clean, report
    assert report.ledger_rows == len(DIRT)
    assert not runtime.journal.is_spooling


def test_an_attempt_that_the_ledger_lacks_is_named(
    runtime: Runtime, bookings: list[Booking]
) -> None:
    report = via_engine(runtime, bookings[:5])
    tally, saved = Tally(), Reply(Outcome.COMMITTED)
    one = message_of(agency_at(1))
    for each in report.attempts[:-1]:
        of_that_kind = replace(one, operation=Operation[each.operation])
        for _ in range(each.sent):
            tally.answered(of_that_kind, saved, 0, is_repeat=False)
    tally.answered(replace(one, operation=Operation.EXPIRE), saved, 0, is_repeat=False)
    clock = FrozenClock(runtime.clock.now())

    with psycopg.connect(runtime.target.app, autocommit=True) as connection:
        found = reconcile(connection, clock, f"RPL-{report.run}-", tally, lambda: None)

    assert not found.agrees
    assert found.differences == [(Ended(Operation.EXPIRE, Outcome.COMMITTED, None), 1, 0)]
    assert clock.monotonic() > 0  # it asked again before it gave up


# --- the command ---


def saveguard(
    target: Target, data_dir: Path, *arguments: str, **more: Any
) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    program = "from engine.cli.main import run; from engine.cli.replay import replay; run(replay)"
    return subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-W", "error", "-c", program, *arguments],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(data_dir),
            "DATABASE_URL": url_of(target.app),
            "SAVEGUARD_OWNER_DATABASE_URL": url_of(target.owner),
            "SAVEGUARD_DATA_DIR": str(data_dir),
        },
        cwd=REPOSITORY,
        text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more,
    )


def url_of(conninfo: str) -> str:
    given = conninfo_to_dict(conninfo)
    query = urlencode({name: value for name, value in given.items() if name != "dbname"})
    return f"postgresql:///{given['dbname']}?{query}"


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture
def file(rows: list[dict[str, str]], tmp_path: Path) -> str:
    return str(write_csv(tmp_path / "file.csv", rows))


def test_the_command_prints_its_report_and_nothing_else(
    target: Target, tmp_path: Path, file: str
) -> None:
    status, out, err = ended(saveguard(target, tmp_path, file, "--workers", "3"))

    assert (status, err) == (0, "")
    assert "they agree" in out
    assert "Verify: clean, all 16 rules hold" in out
    assert "\x1b" not in out


def test_the_command_prints_one_object_of_json(target: Target, tmp_path: Path, file: str) -> None:
    status, out, err = ended(saveguard(target, tmp_path, file, "--limit", "40", "--json"))

    assert (status, err) == (0, "")
    told = json.loads(out)
    assert told["bookings"] == 40
    assert told["via"] == "engine"
    assert told["ledgerRows"] == told["attempts"][-1]["sent"]
    assert asked(target, "SELECT count(*) FROM attempt") == [(told["ledgerRows"],)]


def test_a_person_sees_a_bar_and_the_tables(target: Target, tmp_path: Path, file: str) -> None:
    ours, theirs = pty.openpty()
    process = saveguard(target, tmp_path, file, "--limit", "40", stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # the terminal's way of saying that nobody writes any more
        while part := os.read(ours, 1 << 16):
            shown += part
    os.close(ours)

    assert process.wait(60) == 0
    assert b"Bookings" in shown
    assert b"Rules verified" in shown
    assert "─".encode() in shown


def test_the_command_says_that_no_server_answers(target: Target, tmp_path: Path, file: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    status, out, err = ended(saveguard(target, tmp_path, file, "--via", "http", "--url", url))

    assert (status, out) == (2, "")
    assert err == f"saveguard: no Saveguard answers at {url}; start it with: saveguard up\n"


def test_the_command_goes_over_http(service: Service, tmp_path: Path, file: str) -> None:
    target = service.runtime.target
    arguments = (file, "--limit", "60", "--via", "http", "--url", service.url, "--json")

    status, out, err = ended(saveguard(target, tmp_path, *arguments))

    assert (status, err) == (0, "")
    assert json.loads(out)["via"] == "http"
    assert asked(target, "SELECT DISTINCT source FROM ledger") == [("live",)]


def test_a_server_on_another_database_is_noticed_before_anything_is_sent(
    service: Service, target: Target, tmp_path: Path, file: str
) -> None:
    arguments = (file, "--via", "http", "--url", service.url)

    status, out, err = ended(saveguard(target, tmp_path, *arguments))

    assert (status, out) == (2, "")
    assert "does not know this database's agents" in err
    assert service.stock().attempts == 0
    assert asked(target, "SELECT count(*) FROM agent") == [(1,)]


def test_ctrl_c_ends_the_run_with_a_report_that_agrees(
    target: Target, tmp_path: Path, file: str
) -> None:
    process = saveguard(target, tmp_path, file, "--speed", "0.5", "--json")
    assert eventually(lambda: asked(target, "SELECT count(*) FROM attempt") != [(0,)], 60)

    process.send_signal(signal.SIGINT)
    status, out, err = ended(process)

    assert (status, err) == (130, "")
    told = json.loads(out)
    assert told["ending"] == "interrupted"
    assert told["agrees"]
    assert told["ledgerRows"] > 0
    assert sum(told["fates"].values()) == told["bookings"] == 300
    assert told["fates"]["cut short by the end of the run"] > 0


def test_a_file_that_is_not_there_is_said_in_a_line(target: Target, tmp_path: Path) -> None:
    status, out, err = ended(saveguard(target, tmp_path, "missing.csv"))

    assert (status, out) == (2, "")
    assert err.startswith("saveguard: missing.csv cannot be read")
    assert err.count("\n") == 1
