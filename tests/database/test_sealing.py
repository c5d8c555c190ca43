"""Sealed records: whatever somebody with the owner's role does to them, the verifier says so.

The verifier runs as an auditor runs it: the one file, copied to where nothing else of ours is, by a
Python that has none of our packages. It sees a bundle, the checkpoints and the public key.
"""

# ruff: noqa: S608 - statements are put together from constants of this file

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import sql

from engine.access.audit import terminal_actor
from engine.clock import FrozenClock, SystemClock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import SetupError
from engine.readiness import checkpoints, sealing, verifier
from engine.readiness.assessment import Verdict
from engine.readiness.checkpoints import CHECKPOINTS_FILE
from engine.readiness.records import RecordKind, as_bundled, put_down
from engine.readiness.sealing import Sealer, bundle, sealer_of
from engine.readiness.signing import KEY_FILE, PUBLIC_KEY_FILE
from engine.readiness.signoff import evidence_body
from engine.readiness.tables import ReadinessRecord, ReadinessSeal
from engine.settings import Settings

START = datetime(2026, 11, 26, 12, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
# The Python that ours was made from: it has none of the packages that the project needs.
_PYTHON = Path(sys.base_prefix, "bin", "python3")
TABLES = ("readiness_record", "readiness_seal", "readiness_sealed")


@pytest.fixture(autouse=True)
def _time_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database's clock goes on; that it is another's is not what these tests are of."""
    monkeypatch.setattr(sealing, "_OFF_MAX", timedelta.max)


@dataclass
class Chain:
    """Two releases with evidence, in three seals; and somebody who has the owner's role."""

    target: Target
    sealer: Sealer
    clock: FrozenClock
    directory: Path
    one: UUID
    two: UUID
    # The records, oldest first, seal by seal.
    ids: list[list[UUID]] = field(default_factory=list)

    def put(self, release_id: UUID, item_id: str = "PRE-1.1", **changes: Any) -> UUID:
        """Puts down evidence."""
        with session_of(self.target) as session:
            body = evidence_body(
                release_id,
                self.clock.uuid7(),
                Verdict.FAILING,
                "One of two is wrong",
                started_at=self.clock.now(),
                ended_at=self.clock.now(),
                fingerprints={},
                numbers={"wrong": 1},
                witness="SELECT 1",
                is_attested=False,
            )
            record = put_down(
                session,
                self.clock,
                terminal_actor(self.clock, "ops"),
                RecordKind.EVIDENCE,
                release_id,
                body | changes,
                item_id=item_id,
            )
            return record.id

    def seal(self) -> int:
        """Seals what waits, a minute later."""
        self.clock.advance(MINUTE)
        return self.sealer.seal_all(self.target)

    def owner(self, statement: str, values: Mapping[str, Any] | None = None) -> None:
        """Does something as the owner, who has taken all privileges back first."""
        with psycopg.connect(self.target.owner, autocommit=True) as connection:
            for table in TABLES:
                connection.execute(
                    sql.SQL("GRANT ALL ON {} TO CURRENT_USER").format(sql.Identifier(table))
                )
            connection.execute(statement.encode(), values)

    def redigest(self, record_id: UUID) -> None:
        """Gives an edited record the digest that it should have."""
        with session_of(self.target) as session:
            record = session.get(ReadinessRecord, record_id)
            assert record is not None
            digest = verifier.record_digest(as_bundled(record))
        self.owner(
            "UPDATE readiness_record SET digest = %(digest)s WHERE id = %(id)s",
            {"digest": bytes.fromhex(digest), "id": record_id},
        )

    def bundled(self) -> dict[str, Any]:
        """All records, as they are exported."""
        with session_of(self.target) as session:
            return bundle(session, self.sealer.installation)

    def verified(
        self, bundled: Mapping[str, Any] | None = None, trusted: Path | None = None
    ) -> tuple[int, str]:
        """Exit status and words of the verifier.

        Args:
            bundled: what it is given; all records unless said.
            trusted: directory of the checkpoints and the key; the sealer's own unless said.
        """
        trusted = trusted or self.sealer.directory
        alone = self.directory / "auditor"
        alone.mkdir(exist_ok=True)
        shutil.copy(verifier.__file__, alone / "verifier.py")
        (alone / "records.json").write_text(
            json.dumps(self.bundled() if bundled is None else bundled)
        )
        ended = subprocess.run(  # noqa: S603  # our own file
            [
                _PYTHON,
                "verifier.py",
                "records.json",
                "--checkpoints",
                trusted / CHECKPOINTS_FILE,
                "--key",
                trusted / PUBLIC_KEY_FILE,
            ],
            check=False,
            capture_output=True,
            text=True,
            cwd=alone,
            env={},
        )
        assert not ended.stderr, ended.stderr
        return ended.returncode, ended.stdout

    def whole(self) -> str:
        """How many records and seals the verifier found whole."""
        status, said = self.verified()
        first, *_ = said.splitlines()
        assert (status, first.partition(": ")[2]) == (0, "as sealed"), said
        return first.partition(": ")[0]

    def copied_elsewhere(self) -> Path:
        """Checkpoints and public key as somebody else has kept them."""
        return Path(shutil.copytree(self.sealer.directory, self.directory / "elsewhere"))


@pytest.fixture
def chain(target: Target, settings: Settings, tmp_path: Path) -> Chain:
    clock = FrozenClock(START)
    with session_of(target) as session:
        sealer = sealer_of(session, settings, clock)
    made = Chain(target, sealer, clock, tmp_path, clock.uuid7(), clock.uuid7())
    for items in (["PRE-1.1", "PRE-1.2", "PRE-1.3"], ["PRE-1.1", "PRE-1.4"], ["PRE-1.5"]):
        made.ids.append([made.put(made.one, item) for item in items])
        assert made.seal() == len(items)
    return made


def edited(chain: Chain) -> None:
    chain.owner(
        "UPDATE readiness_record SET body = replace(body, 'failing', 'passing') WHERE id = %(id)s",
        {"id": chain.ids[0][1]},
    )


def edited_with_its_digest(chain: Chain) -> None:
    edited(chain)
    chain.redigest(chain.ids[0][1])


def unsealed_edited(chain: Chain) -> None:
    waiting = chain.put(chain.one)
    chain.owner(
        "UPDATE readiness_record SET recorded_by = 'somebody else' WHERE id = %(id)s",
        {"id": waiting},
    )


def copied(chain: Chain, **changes: str) -> UUID:
    """Inserts a copy of a record, with a digest that fits."""
    names = ("release_id", "kind", "item_id", "phase_id", "recorded_at", "recorded_by", "body")
    values = ", ".join(changes.get(name, name) for name in names)
    made = chain.clock.uuid7()
    chain.owner(
        f"INSERT INTO readiness_record (id, {', '.join(names)}, digest)"
        f" SELECT '{made}', {values}, digest FROM readiness_record WHERE id = %(id)s",
        {"id": chain.ids[0][0]},
    )
    chain.redigest(made)
    return made


def inserted_with_an_old_date(chain: Chain) -> None:
    chain.clock.advance(10 * MINUTE)
    chain.put(chain.one)
    chain.seal()
    copied(chain, body="replace(body, 'run', 'rung')", kind="'contradiction'")


def inserted_with_an_old_date_and_sealed(chain: Chain) -> None:
    inserted_with_an_old_date(chain)
    chain.seal()


def deleted(chain: Chain) -> None:
    chain.owner("DELETE FROM readiness_record WHERE id = %(id)s", {"id": chain.ids[0][1]})


def deleted_from_its_seal_too(chain: Chain) -> None:
    deleted(chain)
    chain.owner("DELETE FROM readiness_sealed WHERE record_id = %(id)s", {"id": chain.ids[0][1]})
    chain.owner("UPDATE readiness_sealed SET place = 1 WHERE seal_number = 1 AND place = 2")


def swapped(chain: Chain) -> None:
    chain.owner("UPDATE readiness_sealed SET place = 9 WHERE seal_number = 1 AND place = 0")
    chain.owner("UPDATE readiness_sealed SET place = 0 WHERE seal_number = 1 AND place = 1")
    chain.owner("UPDATE readiness_sealed SET place = 1 WHERE seal_number = 1 AND place = 9")


def moved_to_another_seal(chain: Chain) -> None:
    chain.owner(
        "UPDATE readiness_sealed SET seal_number = 2, place = 2 WHERE seal_number = 1 AND place = 2"
    )


def cut_off(chain: Chain) -> None:
    chain.owner(
        "DELETE FROM readiness_record WHERE id IN"
        " (SELECT record_id FROM readiness_sealed WHERE seal_number = 3)"
    )
    chain.owner("DELETE FROM readiness_sealed WHERE seal_number = 3")
    chain.owner("DELETE FROM readiness_seal WHERE number = 3")


def emptied(chain: Chain) -> None:
    for table in TABLES:
        chain.owner(f"TRUNCATE {table}")


def older_backup_and_on(chain: Chain) -> None:
    """The records are as they were after the second seal, and work has gone on from there."""
    cut_off(chain)
    chain.put(chain.one, "PRE-1.6")
    chain.seal()


def a_seal_less(chain: Chain) -> None:
    chain.owner(
        "DELETE FROM readiness_record WHERE id IN"
        " (SELECT record_id FROM readiness_sealed WHERE seal_number = 2)"
    )
    chain.owner("DELETE FROM readiness_sealed WHERE seal_number = 2")
    chain.owner("DELETE FROM readiness_seal WHERE number = 2")
    chain.owner("UPDATE readiness_sealed SET seal_number = 2 WHERE seal_number = 3")
    chain.owner(
        "UPDATE readiness_seal SET number = 2, count = 4,"
        " previous = (SELECT head FROM readiness_seal WHERE number = 1) WHERE number = 3"
    )


def moved_to_another_release(chain: Chain) -> None:
    chain.owner(
        "UPDATE readiness_record SET release_id = %(two)s WHERE id = %(id)s",
        {"two": chain.two, "id": chain.ids[0][0]},
    )
    chain.redigest(chain.ids[0][0])


def replayed(chain: Chain) -> None:
    """Old evidence again, as if it had just been taken for another release, and sealed."""
    now = f"'{chain.clock.now().isoformat()}'"
    body = f"replace(body, '{chain.one}', '{chain.two}')"
    copied(chain, release_id=f"'{chain.two}'", recorded_at=now, body=body)
    chain.seal()


def copied_to_another_release(chain: Chain) -> None:
    now = f"'{chain.clock.now().isoformat()}'"
    copied(chain, release_id=f"'{chain.two}'", recorded_at=now)
    chain.seal()


def signed_with_another_key(chain: Chain) -> None:
    """The whole chain is made anew, with a record edited, by somebody who has no key of ours."""
    edited_with_its_digest(chain)
    bundled = chain.bundled()
    digests = {each["id"]: each["digest"] for each in bundled["records"]}
    key, previous = Ed25519PrivateKey.generate(), verifier.FIRST_HEAD
    for seal in bundled["seals"]:
        records = [(each, digests[each]) for each in seal["records"]]
        head = verifier.seal_head(
            previous, seal["number"], seal["sealedAt"], seal["count"], records
        )
        message = verifier.signed_bytes(bundled["installation"], seal["number"], head)
        chain.owner(
            "UPDATE readiness_seal SET previous = %(previous)s, head = %(head)s,"
            " signature = %(signature)s WHERE number = %(number)s",
            {
                "previous": bytes.fromhex(previous),
                "head": bytes.fromhex(head),
                "signature": key.sign(message),
                "number": seal["number"],
            },
        )
        previous = head


def another_installation(chain: Chain) -> None:
    """The bundle says that it is of an installation that it is not of."""
    chain.sealer = replace(chain.sealer, installation=chain.clock.uuid7())


def forged_checkpoint(chain: Chain) -> None:
    """The tail is cut off, and the checkpoint that would tell names the head before."""
    cut_off(chain)
    path = chain.sealer.checkpoints.path
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[2] |= {"number": 2, "head": lines[1]["head"]}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def checkpoint_of_another_installation(chain: Chain) -> None:
    other = replace(chain.sealer, installation=chain.clock.uuid7())
    with session_of(chain.target) as session:
        seal = session.get(ReadinessSeal, 1)
        assert seal is not None
        message = verifier.signed_bytes(str(other.installation), 1, seal.head.hex())
        checkpoint = other._checkpoint(seal)
    checkpoint["signature"] = other.signer.sign(message).hex()
    with chain.sealer.checkpoints.path.open("a") as file:
        file.write(json.dumps(checkpoint) + "\n")


def releases_swapped(chain: Chain) -> None:
    """Two releases' records change places, bodies and digests with them."""
    other = chain.put(chain.two)
    chain.seal()
    for record_id, release_id in ((chain.ids[0][0], chain.two), (other, chain.one)):
        chain.owner(
            "UPDATE readiness_record SET release_id = %(new)s::text::uuid,"
            " body = replace(body, release_id::text, %(new)s) WHERE id = %(id)s",
            {"new": str(release_id), "id": record_id},
        )
        chain.redigest(record_id)


def digests_swapped(chain: Chain) -> None:
    """The digests of two records change places, and nothing else."""
    chain.owner(
        "UPDATE readiness_record AS r SET digest = other.digest FROM readiness_record AS other"
        " WHERE (r.id, other.id) IN ((%(one)s, %(two)s), (%(two)s, %(one)s))",
        {"one": chain.ids[0][0], "two": chain.ids[1][0]},
    )


def sealed_twice(chain: Chain) -> None:
    """A record stands under another seal, too."""
    chain.owner("ALTER TABLE readiness_sealed DROP CONSTRAINT readiness_sealed_pkey")
    chain.owner("INSERT INTO readiness_sealed VALUES (%(id)s, 3, 1)", {"id": chain.ids[0][0]})


def two_of_one_id(chain: Chain) -> None:
    """Beside a record stands another one of its id, which says the contrary."""
    chain.owner("ALTER TABLE readiness_record DROP CONSTRAINT readiness_record_pkey")
    chain.owner(
        "INSERT INTO readiness_record SELECT (jsonb_populate_record(r, jsonb_build_object("
        "'body', replace(body, 'failing', 'passing')))).* FROM readiness_record AS r"
        " WHERE id = %(id)s",
        {"id": chain.ids[0][0]},
    )


def numbers_edited(chain: Chain) -> None:
    chain.owner(
        "UPDATE readiness_record SET body = replace(body, '\"wrong\":1', '\"wrong\":0')"
        " WHERE id = %(id)s",
        {"id": chain.ids[0][1]},
    )


def dated_otherwise(chain: Chain) -> None:
    """A record says that it is of a minute later: it would stay fresh longer."""
    chain.owner(
        "UPDATE readiness_record SET recorded_at = recorded_at + interval '1 minute'"
        " WHERE id = %(id)s",
        {"id": chain.ids[0][1]},
    )
    chain.redigest(chain.ids[0][1])


def seal_dated_otherwise(chain: Chain) -> None:
    chain.owner("UPDATE readiness_seal SET sealed_at = sealed_at - interval '1 s' WHERE number = 2")


def field_moved_to_its_neighbour(chain: Chain) -> None:
    """What two fields say together reads as before."""
    chain.owner(
        "UPDATE readiness_record SET kind = 'n/a', item_id = 'evidence' || item_id WHERE id ="
        " %(id)s",
        {"id": chain.ids[0][1]},
    )


def nothing_for_none(chain: Chain) -> None:
    """An empty text where there was no value at all."""
    chain.owner(
        "UPDATE readiness_record SET phase_id = '' WHERE id = %(id)s", {"id": chain.ids[0][1]}
    )


def hidden_from_the_application(chain: Chain) -> None:
    """The table itself keeps a record from the application's role."""
    chain.owner("ALTER TABLE readiness_record ENABLE ROW LEVEL SECURITY")
    chain.owner(
        f"CREATE POLICY hide ON readiness_record USING (id <> '{chain.ids[0][1]}') WITH CHECK"
        " (true)"
    )


def emptied_checkpoints_too(chain: Chain) -> None:
    emptied(chain)
    chain.sealer.checkpoints.path.write_text("")


def no_checkpoints(chain: Chain) -> None:
    chain.sealer.checkpoints.path.unlink()


def all_records_twice(chain: Chain) -> None:
    """Every record once more, in the seals of the bundle."""
    chain.owner("UPDATE readiness_seal SET count = count + 1, head = sha256(head) WHERE number = 3")


ATTACKS: list[tuple[Callable[[Chain], None], str]] = [
    (edited, "edited: record"),
    (edited_with_its_digest, "broken: seal 1"),
    (unsealed_edited, "edited: record"),
    (inserted_with_an_old_date, "not sealed: record"),
    (inserted_with_an_old_date_and_sealed, "backdated: record"),
    (deleted, "missing: record"),
    (deleted_from_its_seal_too, "broken: seal 1"),
    (swapped, "broken: seal 1"),
    (moved_to_another_seal, "broken: seal 1"),
    (cut_off, "cut off: checkpoint 3"),
    (emptied, "cut off: checkpoint 1"),
    (older_backup_and_on, "rewritten: checkpoint 3"),
    (a_seal_less, "broken: seal 2"),
    (moved_to_another_release, "swapped: record"),
    (replayed, "replayed: record"),
    (copied_to_another_release, "swapped: record"),
    (signed_with_another_key, "unsigned: seal 1"),
    (another_installation, "unsigned: seal 1"),
    (forged_checkpoint, "unsigned: checkpoint 2"),
    (checkpoint_of_another_installation, "foreign: checkpoint 1"),
    (releases_swapped, "broken: seal 1"),
    (digests_swapped, "edited: record"),
    (sealed_twice, "broken: seal"),
    (two_of_one_id, "doubled: record"),
    (numbers_edited, "edited: record"),
    (dated_otherwise, "broken: seal 1"),
    (seal_dated_otherwise, "broken: seal 2"),
    (field_moved_to_its_neighbour, "edited: record"),
    (nothing_for_none, "edited: record"),
    (hidden_from_the_application, "missing: record"),
    (emptied_checkpoints_too, "unproved: checkpoints"),
    (no_checkpoints, "unproved: checkpoints"),
    (all_records_twice, "broken: seal 3"),
]


@pytest.mark.parametrize(("attack", "words"), ATTACKS, ids=[each.__name__ for each, _ in ATTACKS])
def test_whatever_was_done_to_records_shows(
    chain: Chain, attack: Callable[[Chain], None], words: str
) -> None:
    attack(chain)

    status, found = chain.verified()
    assert (status, words in found) == (1, True), found
    # What reads the database finds what the one file finds in a bundle of it.
    here = chain.sealer.findings(chain.target)
    assert any(f"{each.what}: {each.where}".startswith(words) for each in here), here


def cut_off_with_its_checkpoint(chain: Chain) -> None:
    cut_off(chain)
    path = chain.sealer.checkpoints.path
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def older_state_of_both_and_on(chain: Chain) -> None:
    cut_off_with_its_checkpoint(chain)
    chain.put(chain.one, "PRE-1.6")
    chain.seal()


def all_anew_with_another_key(chain: Chain) -> None:
    """A record is edited, and everything sealed again with a key that takes the place of ours."""
    edited_with_its_digest(chain)
    chain.owner("TRUNCATE readiness_seal, readiness_sealed")
    shutil.rmtree(chain.sealer.directory)
    chain.seal()


def all_forgotten(chain: Chain) -> None:
    """Nothing was ever sealed here, it seems; but for a record of now."""
    emptied(chain)
    shutil.rmtree(chain.sealer.directory)
    chain.put(chain.one)
    chain.seal()


def installation_of_its_own(chain: Chain) -> None:
    """The database says that it is another one: records are sealed anew, with a key of its own."""
    edited_with_its_digest(chain)
    chain.owner("TRUNCATE readiness_seal, readiness_sealed")
    other = replace(
        chain.sealer, installation=chain.clock.uuid7(), directory=chain.directory / "other"
    )
    chain.sealer = other
    chain.seal()


WITH_THE_DIRECTORY: list[tuple[Callable[[Chain], None], str]] = [
    (cut_off_with_its_checkpoint, "cut off: checkpoint 3"),
    (older_state_of_both_and_on, "rewritten: checkpoint 3"),
    (all_anew_with_another_key, "unsigned: seal 1"),
    (all_forgotten, "cut off: checkpoint 3"),
    (installation_of_its_own, "foreign: checkpoint 1"),
]


@pytest.mark.parametrize(
    ("attack", "words"),
    WITH_THE_DIRECTORY,
    ids=[each.__name__ for each, _ in WITH_THE_DIRECTORY],
)
def test_what_was_done_to_database_and_checkpoints_alike_shows_by_copies_from_elsewhere_alone(
    chain: Chain, attack: Callable[[Chain], None], words: str
) -> None:
    elsewhere = chain.copied_elsewhere()

    attack(chain)

    # Nothing that is left here says otherwise; the page of the records says so.
    assert chain.verified()[0] == 0
    assert chain.sealer.findings(chain.target) == []
    status, found = chain.verified(trusted=elsewhere)
    assert (status, words in found) == (1, True), found


def test_what_a_verdict_rests_on_is_said_with_it(chain: Chain) -> None:
    _, said = chain.verified()

    newest = chain.sealer.checkpoints.read()[-1]
    key = chain.sealer.public_key.hex()
    assert said.splitlines()[1] == f"trusted: key {key}, checkpoint 3 with head {newest['head']}"


def test_records_that_are_kept_from_a_seal_are_said_to_wait(chain: Chain) -> None:
    """Until they are sealed, whoever keeps them from it may write them anew, digest and all."""
    with psycopg.connect(chain.target.app) as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtext('saveguard.readiness.seal'))")
        waiting = chain.put(chain.one)
        chain.clock.advance(5 * MINUTE)
        in_time = chain.sealer.findings(chain.target)
        chain.clock.advance(timedelta(seconds=1))
        assert chain.sealer.seal_all(chain.target) == 0
        chain.owner(
            "UPDATE readiness_record SET recorded_by = 'somebody else' WHERE id = %(id)s",
            {"id": waiting},
        )
        chain.redigest(waiting)

        found = chain.sealer.findings(chain.target)

    assert in_time == []
    assert [(each.what, each.where) for each in found] == [("waiting", "1 records")]
    status, said = chain.verified()
    assert (status, "nothing proves them: 1 records" in said) == (0, True)


def test_an_untouched_chain_verifies_also_while_records_wait_for_a_seal(chain: Chain) -> None:
    chain.put(chain.two)

    assert chain.whole() == "7 records, 3 seals"
    assert chain.sealer.findings(chain.target) == []


def test_where_nothing_was_ever_sealed_digests_are_all_there_is(
    target: Target, settings: Settings, tmp_path: Path
) -> None:
    clock = FrozenClock(START)
    with session_of(target) as session:
        sealer = sealer_of(session, settings, clock)
    chain = Chain(target, sealer, clock, tmp_path, clock.uuid7(), clock.uuid7())
    assert sealer.findings(target) == []

    unsealed_edited(chain)

    assert [each.what for each in sealer.findings(target)] == ["edited"]


def test_without_the_key_a_sealed_chain_is_not_said_to_be_whole(
    chain: Chain, tmp_path: Path
) -> None:
    elsewhere = replace(chain.sealer, directory=tmp_path / "elsewhere")

    assert [each.what for each in elsewhere.findings(chain.target)] == ["unproved"]


def test_two_sealers_at_once_make_one_chain(chain: Chain) -> None:
    for number in range(20):
        chain.put(chain.one, f"PRE-3.{number + 1}")
    together, sealed = threading.Barrier(4), []

    def seal() -> None:
        together.wait()
        sealed.append(chain.sealer.seal_all(chain.target))

    threads = [threading.Thread(target=seal) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(sealed) == 20
    assert chain.whole() == "26 records, 4 seals"
    assert len(chain.sealer.checkpoints.read()) == 4


def test_a_record_that_commits_after_a_younger_one_was_sealed_is_sealed_next(
    chain: Chain,
) -> None:
    with session_of(chain.target) as session:
        put_down(
            session,
            chain.clock,
            terminal_actor(chain.clock, "ops"),
            RecordKind.CONTACTS,
            chain.one,
            {},
        )
        chain.clock.advance(MINUTE)
        chain.put(chain.one)
        assert chain.seal() == 1

    assert chain.verified()[0] == 0
    assert chain.seal() == 1
    assert chain.whole() == "8 records, 5 seals"


def test_more_than_a_batch_that_waited_long_is_sealed_without_looking_put_in(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "_BATCH_MAX", 2)
    for _ in range(5):
        chain.put(chain.one)
        chain.clock.advance(10 * MINUTE)

    assert chain.seal() == 5
    assert chain.whole() == "11 records, 6 seals"


def test_a_checkpoint_that_was_not_written_to_its_end_is_written_again(chain: Chain) -> None:
    path = chain.sealer.checkpoints.path
    path.write_bytes(path.read_bytes()[:-20])

    chain.seal()

    assert [each["number"] for each in chain.sealer.checkpoints.read()] == [1, 2, 3]
    assert chain.verified()[0] == 0


def test_only_the_end_of_the_checkpoints_is_read_to_add_to_them(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = chain.sealer.checkpoints.path
    first, rest = path.read_bytes().split(b"\n", maxsplit=1)
    path.write_bytes(b"x" * len(first) + b"\n" + rest)
    monkeypatch.setattr(checkpoints, "_BLOCK", 7)  # a line has many blocks
    chain.put(chain.one)

    assert chain.seal() == 1

    numbers = [json.loads(line)["number"] for line in path.read_bytes().splitlines()[1:]]
    assert numbers == [2, 3, 4]


def test_what_was_put_in_long_behind_the_seals_is_found_when_all_is_looked_at(
    chain: Chain,
) -> None:
    chain.clock.advance(2 * HOUR)
    chain.put(chain.one)
    chain.seal()
    copied(chain, body="replace(body, 'run', 'rung')", kind="'contradiction'")

    assert chain.seal() == 0
    found = [each.what for each in chain.sealer.findings(chain.target)]
    assert found == ["not sealed", "waiting"]
    assert chain.sealer.seal_all(chain.target, is_whole=True) == 1
    assert [each.what for each in chain.sealer.findings(chain.target)] == ["backdated"]


def test_a_chain_is_verified_however_few_rows_are_in_memory(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.readiness.chain._ROWS", 2)
    chain.put(chain.two)

    assert chain.sealer.verified(chain.target) == (7, 3, [])


def test_checkpoints_that_are_gone_are_not_written_anew_over_what_may_have_been_cut_off(
    chain: Chain,
) -> None:
    chain.sealer.checkpoints.path.unlink()
    chain.put(chain.one)

    with pytest.raises(SetupError, match="are gone"):
        chain.seal()


def test_a_host_without_the_key_does_not_seal(chain: Chain, tmp_path: Path) -> None:
    chain.put(chain.one)
    elsewhere = replace(chain.sealer, directory=tmp_path / "elsewhere")

    with pytest.raises(SetupError, match="where the key is"):
        elsewhere.seal_all(chain.target)

    assert chain.verified()[0] == 0


def test_the_key_is_the_users_alone_and_its_public_half_lies_beside_it(chain: Chain) -> None:
    key = chain.sealer.directory / KEY_FILE

    assert key.stat().st_mode & 0o777 == 0o600
    assert (chain.sealer.directory / PUBLIC_KEY_FILE).read_text().strip() == (
        chain.sealer.public_key.hex()
    )


@pytest.mark.parametrize("table", TABLES)
def test_neither_the_application_nor_the_owner_may_change_a_row(chain: Chain, table: str) -> None:
    for conninfo in (chain.target.app, chain.target.owner):
        with (
            psycopg.connect(conninfo) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(f"DELETE FROM {table}".encode())


def test_a_record_that_is_younger_than_its_seal_shows(chain: Chain) -> None:
    right = replace(chain.sealer, clock=FrozenClock(chain.clock.now() + MINUTE))
    chain.clock.advance(HOUR)
    chain.put(chain.one)

    right.seal_all(chain.target)

    status, found = chain.verified()
    assert (status, "future-dated: record" in found) == (1, True)


def test_a_clock_that_is_behind_the_last_seal_seals_nothing(chain: Chain) -> None:
    chain.put(chain.one)
    behind = replace(chain.sealer, clock=FrozenClock(chain.clock.now() - MINUTE))

    with pytest.raises(SetupError, match="behind seal 3"):
        behind.seal_all(chain.target)
    assert chain.seal() == 1


def test_a_clock_that_is_not_the_databases_seals_nothing(
    target: Target, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FrozenClock(SystemClock().now() + HOUR)
    with session_of(target) as session:
        sealer = sealer_of(session, settings, clock)
    chain = Chain(target, sealer, clock, tmp_path, clock.uuid7(), clock.uuid7())
    chain.put(chain.one)
    monkeypatch.setattr(sealing, "_OFF_MAX", timedelta(seconds=5))

    with pytest.raises(SetupError, match="seconds apart"):
        sealer.seal_all(target)
    assert sealer.findings(target) == []
