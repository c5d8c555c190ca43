"""Seals: batches of records, hash-linked after they were committed, signed, and told elsewhere.

Nobody waits for it: records commit on their own, and a job seals what has come since. A checkpoint
of every seal is written to a file outside of the database (`checkpoints`), and the key that signs
lies outside of it, too (`signing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlmodel import Session, col, select

from engine.clock import Clock
from engine.database.sessions import session_of
from engine.database.target import Target
from engine.errors import SetupError
from engine.readiness.chain import reading
from engine.readiness.checkpoints import CHECKPOINTS_FILE, Checkpoints
from engine.readiness.records import RecordKind, as_bundled, written_instant
from engine.readiness.signing import Signer, is_signed
from engine.readiness.tables import ReadinessRecord, ReadinessSeal, ReadinessSealed
from engine.readiness.verifier import (
    FIRST_HEAD,
    FORMAT,
    Finding,
    Verification,
    seal_head,
    signed_bytes,
)
from engine.settings import Settings

# A record commits a moment after the instant that it has. What is older by more than that than the
# newest seal was put in later than it says, or by a clock that is wrong: it is looked for rarely.
_LATE: Final = timedelta(hours=1)
# As many in one seal: a batch is one transaction.
_BATCH_MAX: Final = 10_000
# So far this clock and the database's may be apart.
_OFF_MAX: Final = timedelta(seconds=5)
_DATABASE_TIME: Final = text("SELECT clock_timestamp()")
_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('saveguard.readiness.seal'))")
_INSTALLATION: Final = text("SELECT id FROM installation")


class Verified(NamedTuple):
    """What a verification came to.

    Attributes:
        records: how many there are.
        seals: how many there are.
        findings: what is wrong with them.
    """

    records: int
    seals: int
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals what has come; safe to run in several processes at once, of which one does.

    Attributes:
        installation: whose records they are.
        directory: of the key and the checkpoints.
        clock: for the instant of a seal.
    """

    installation: UUID
    directory: Path
    clock: Clock

    @property
    def signer(self) -> Signer:
        """Signs as this installation."""
        return Signer(self.directory)

    @property
    def checkpoints(self) -> Checkpoints:
        """What is written down elsewhere."""
        return Checkpoints(self.directory / CHECKPOINTS_FILE)

    @property
    def public_key(self) -> bytes:
        """The key that seals are held against, 32 bytes.

        Raises:
            SetupError: there is no key, and none can be made.
        """
        self._begin()
        return self.signer.public_key

    def seal(self, session: Session, *, is_whole: bool = False) -> int:
        """Seals the records that are not yet, in the order they came; returns how many.

        The session is committed by the caller; `write_checkpoints` follows.

        Args:
            session: of a transaction.
            is_whole: whether records are looked for that are much older than the newest seal, too.

        Raises:
            SetupError: the key cannot be read or is not the one that sealed so far, the
                checkpoints are gone, or this clock is wrong.
        """
        if session.execute(_LOCK).scalar() is not True:
            return 0
        last = session.exec(
            select(ReadinessSeal).order_by(col(ReadinessSeal.number).desc()).limit(1)
        ).one_or_none()
        since = None if last is None or is_whole else last.sealed_at - _LATE
        waiting = _unsealed(session, since)
        if not waiting:
            return 0
        self._begin()
        if last is not None:
            self._must_be_ours(last)
        previous = FIRST_HEAD if last is None else last.head.hex()
        number = 1 if last is None else last.number + 1
        count = len(waiting) + (0 if last is None else last.count)
        sealed_at = self._time(session, last)
        if len(waiting) == _BATCH_MAX:
            # There may be more, older than now: they are not older than this seal.
            sealed_at = min(sealed_at, waiting[-1].recorded_at)
            sealed_at = sealed_at if last is None else max(sealed_at, last.sealed_at)
        head = seal_head(
            previous,
            number,
            written_instant(sealed_at),
            count,
            [(str(each.id), each.digest.hex()) for each in waiting],
        )
        signature = self.signer.sign(signed_bytes(str(self.installation), number, head))
        session.add(
            ReadinessSeal(
                number=number,
                sealed_at=sealed_at,
                count=count,
                previous=bytes.fromhex(previous),
                head=bytes.fromhex(head),
                signature=signature,
            )
        )
        session.add_all(
            ReadinessSealed(record_id=each.id, seal_number=number, place=place)
            for place, each in enumerate(waiting)
        )
        session.flush()
        return len(waiting)

    def write_checkpoints(self, session: Session) -> int:
        """Writes down elsewhere the seals that are not there yet; returns how many.

        Args:
            session: of another transaction than the one that sealed: what is not committed must not
                be told.

        Raises:
            SetupError: the file is gone.
            OSError: it cannot be read or written.
        """

        def after(known: int) -> list[dict[str, Any]]:
            seals = session.exec(
                select(ReadinessSeal)
                .where(col(ReadinessSeal.number) > known)
                .order_by(col(ReadinessSeal.number))
            )
            return [self._checkpoint(seal) for seal in seals]

        if not self.signer.has_key:
            return 0  # nothing was ever sealed here
        self._begin()
        return self.checkpoints.add(after)

    def seal_all(self, target: Target, *, is_whole: bool = False) -> int:
        """Seals all that waits, and writes the checkpoints; returns how many records it sealed.

        Args:
            target: the database.
            is_whole: as `seal`.

        Raises:
            SetupError: as `seal`.
            OSError: the checkpoints cannot be written.
        """
        sealed = 0
        while True:
            with session_of(target) as session:
                done = self.seal(session, is_whole=is_whole)
            sealed += done
            if done < _BATCH_MAX:
                break
        with session_of(target) as session:
            self.write_checkpoints(session)
        return sealed

    def findings(self, target: Target) -> list[Finding]:
        """What is wrong with the records; see `verified`."""
        return self.verified(target).findings

    def verified(self, target: Target) -> Verified:
        """All records and seals, held against key and checkpoints.

        Records of which none was ever sealed, by nobody, are held against their digests alone.

        Raises:
            SetupError: the key cannot be read.
            OSError: the checkpoints cannot be read.
            ValueError: what is there are no checkpoints.
            psycopg.Error: the database could not be read.
        """
        # First: what is told was committed before, so that the database has it.
        checkpoints = self.checkpoints.read() if self.checkpoints.is_there else []
        has_key = self.signer.has_key
        key = self.signer.public_key if has_key else b""
        verification = Verification(str(self.installation), key, is_signed)
        with reading(target) as chain:
            seals = chain.seals()
            found = [
                each
                for seal, records in chain.sealed(seals)
                for each in verification.follow(seal, records)
            ]
            found += [each for record in chain.waiting() for each in verification.wait(record)]
        if has_key:
            found += verification.end(checkpoints, written_instant(self.clock.now()))
        else:
            # Without the key no signature is told from another; all else is.
            found += verification.end([])
            found = [each for each in found if each.what not in {"unproved", "unsigned"}]
            if seals:
                found.append(Finding("unproved", "key", f"there is none in {self.directory}"))
        return Verified(verification.records, verification.seals, found)

    def _checkpoint(self, seal: ReadinessSeal) -> dict[str, Any]:
        return {
            "installation": str(self.installation),
            "number": seal.number,
            "count": seal.count,
            "head": seal.head.hex(),
            "sealedAt": written_instant(seal.sealed_at),
            "signature": seal.signature.hex(),
        }

    def _begin(self) -> None:
        """The first time, an empty file of checkpoints comes before the key.

        So one that is missing later was taken away, and is not written anew over a chain that was
        cut off.
        """
        if self.checkpoints.is_there:
            return
        if self.signer.has_key:
            raise SetupError(
                f"the checkpoints {self.checkpoints.path} are gone: without them nothing more is"
                " sealed; bring the file back"
            )
        try:
            self.checkpoints.begin()
        except OSError as error:
            raise SetupError(
                f"the checkpoints {self.checkpoints.path} cannot be written: {error.strerror}"
            ) from None

    def _time(self, session: Session, last: ReadinessSeal | None) -> datetime:
        """The time, if it can be believed: seals tell whether records are as old as they say.

        Raises:
            SetupError: it is before the last seal, or is not the database's.
        """
        now = self.clock.now()
        if last is not None and now < last.sealed_at:
            raise SetupError(
                f"this clock is behind seal {last.number}, of {written_instant(last.sealed_at)}:"
                " nothing is sealed until it is right"
            )
        off = abs(now - session.execute(_DATABASE_TIME).scalar_one())
        if off > _OFF_MAX:
            raise SetupError(
                f"this clock and the database's are {off.total_seconds():.0f} seconds apart:"
                " nothing is sealed until they agree"
            )
        return now

    def _must_be_ours(self, last: ReadinessSeal) -> None:
        message = signed_bytes(str(self.installation), last.number, last.head.hex())
        if not is_signed(self.signer.public_key, last.signature, message):
            raise SetupError(
                f"seal {last.number} is not of the key in {self.directory}: records are sealed"
                " where the key is that has sealed them so far"
            )


def sealer_of(session: Session, settings: Settings, clock: Clock) -> Sealer:
    """The sealer of the installation that a database is, with its key in the data directory.

    Two databases may be used from one data directory: each has a directory of its own in it.
    """
    installation = session.execute(_INSTALLATION).scalar_one()
    directory = settings.data_dir / "readiness" / str(installation)
    return Sealer(installation, directory, clock)


def bundle(session: Session, installation: UUID) -> dict[str, Any]:
    """All records and seals, as the verifier takes them; also while more are put down.

    Seals are read first: what they seal was committed before.
    """
    seals = session.exec(select(ReadinessSeal).order_by(col(ReadinessSeal.number))).all()
    last = seals[-1].number if seals else 0
    places: dict[int, list[str]] = {}
    for sealed in session.exec(
        select(ReadinessSealed)
        .where(col(ReadinessSealed.seal_number) <= last)
        .order_by(col(ReadinessSealed.seal_number), col(ReadinessSealed.place))
    ):
        places.setdefault(sealed.seal_number, []).append(str(sealed.record_id))
    records = session.exec(
        select(ReadinessRecord).order_by(col(ReadinessRecord.recorded_at), col(ReadinessRecord.id))
    ).all()
    return {
        "format": FORMAT,
        "installation": str(installation),
        "records": [as_bundled(record) for record in records],
        "seals": [
            {
                "number": seal.number,
                "sealedAt": written_instant(seal.sealed_at),
                "count": seal.count,
                "previous": seal.previous.hex(),
                "head": seal.head.hex(),
                "signature": seal.signature.hex(),
                "records": places.get(seal.number, []),
            }
            for seal in seals
        ],
    }


def _unsealed(session: Session, since: datetime | None) -> Sequence[ReadinessRecord]:
    """The oldest records that no seal has; of all that were recorded after an instant."""
    wanted = (
        select(ReadinessRecord)
        .outerjoin(ReadinessSealed, col(ReadinessSealed.record_id) == col(ReadinessRecord.id))
        .where(col(ReadinessSealed.record_id).is_(None))
        .order_by(col(ReadinessRecord.recorded_at), col(ReadinessRecord.id))
        .limit(_BATCH_MAX)
    )
    if since is not None:
        # By the index of kinds: a stretch of it for each.
        wanted = wanted.where(
            col(ReadinessRecord.kind).in_([each.value for each in RecordKind]),
            col(ReadinessRecord.recorded_at) > since,
        )
    return session.exec(wanted).all()
