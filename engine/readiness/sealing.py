"""Seals: batches of records, hash-linked after they were committed, signed, and told elsewhere.

Nobody waits for it: records commit on their own, and a job seals what has come since. A checkpoint
of every seal is written to a file outside of the database, so that a chain that was cut off, or a
backup that was brought back, does not pass for the whole.

The key lies in DATA_DIR, readable by the engine's user alone; who has the database has not the key.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text
from sqlmodel import Session, col, select

from engine.clock import Clock
from engine.errors import SetupError
from engine.readiness.records import as_bundled, written_instant
from engine.readiness.tables import ReadinessRecord, ReadinessSeal, ReadinessSealed
from engine.readiness.verifier import FIRST_HEAD, FORMAT, seal_head, signed_bytes

KEY_FILE: Final = "readiness-signing.key"
CHECKPOINTS_FILE: Final = "readiness-checkpoints.jsonl"
# As many in one seal: a batch is one transaction.
_BATCH_MAX: Final = 10_000
_LOCK: Final = text("SELECT pg_try_advisory_xact_lock(hashtext('saveguard.readiness.seal'))")


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
    def public_key(self) -> bytes:
        """The key that seals are held against, 32 bytes.

        Raises:
            SetupError: there is no key, and none can be made.
        """
        return self._key().public_key().public_bytes_raw()

    def seal(self, session: Session) -> int:
        """Seals the records that are not yet, in the order they came; returns how many.

        The session is committed by the caller; `write_checkpoints` follows.

        Raises:
            SetupError: the key cannot be read.
        """
        if session.execute(_LOCK).scalar() is not True:
            return 0
        waiting = _unsealed(session)
        if not waiting:
            return 0
        last = session.exec(
            select(ReadinessSeal).order_by(col(ReadinessSeal.number).desc()).limit(1)
        ).one_or_none()
        previous = FIRST_HEAD if last is None else last.head.hex()
        number = 1 if last is None else last.number + 1
        count = len(waiting) + (0 if last is None else last.count)
        # Never before what it seals, whatever became of the clock.
        sealed_at = max(self.clock.now(), waiting[-1].recorded_at)
        if last is not None:
            sealed_at = max(sealed_at, last.sealed_at)
        head = seal_head(
            previous,
            number,
            written_instant(sealed_at),
            count,
            [(str(each.id), each.digest.hex()) for each in waiting],
        )
        signature = self._key().sign(signed_bytes(str(self.installation), number, head))
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

        Raises:
            OSError: the file cannot be read or written.
        """
        path = self.directory / CHECKPOINTS_FILE
        known = max((int(each["number"]) for each in read_checkpoints(path)), default=0)
        new = session.exec(
            select(ReadinessSeal)
            .where(col(ReadinessSeal.number) > known)
            .order_by(col(ReadinessSeal.number))
        ).all()
        if not new:
            return 0
        lines = [json.dumps(self._checkpoint(seal), sort_keys=True) + "\n" for seal in new]
        with path.open("a", encoding="utf-8") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        return len(new)

    def _checkpoint(self, seal: ReadinessSeal) -> dict[str, Any]:
        return {
            "installation": str(self.installation),
            "number": seal.number,
            "count": seal.count,
            "head": seal.head.hex(),
            "sealedAt": written_instant(seal.sealed_at),
            "signature": seal.signature.hex(),
        }

    def _key(self) -> Ed25519PrivateKey:
        """The installation's key, made the first time."""
        path = self.directory / KEY_FILE
        try:
            if not path.exists():
                _make_key(path)
            return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
        except (OSError, ValueError) as error:
            raise SetupError(
                f"the signing key {path} cannot be used: {type(error).__name__}"
            ) from None


def bundle(session: Session, installation: UUID) -> dict[str, Any]:
    """All records and seals, as the verifier takes them."""
    records = session.exec(
        select(ReadinessRecord).order_by(col(ReadinessRecord.recorded_at), col(ReadinessRecord.id))
    ).all()
    seals = session.exec(select(ReadinessSeal).order_by(col(ReadinessSeal.number))).all()
    places: dict[int, list[str]] = {}
    for sealed in session.exec(
        select(ReadinessSealed).order_by(
            col(ReadinessSealed.seal_number), col(ReadinessSealed.place)
        )
    ):
        places.setdefault(sealed.seal_number, []).append(str(sealed.record_id))
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


def read_checkpoints(path: Path) -> list[dict[str, Any]]:
    """The checkpoints in a file; none where there is no file.

    Raises:
        OSError: it cannot be read.
        ValueError: a line is no checkpoint.
    """
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def _unsealed(session: Session) -> Sequence[ReadinessRecord]:
    return session.exec(
        select(ReadinessRecord)
        .outerjoin(ReadinessSealed, col(ReadinessSealed.record_id) == col(ReadinessRecord.id))
        .where(col(ReadinessSealed.record_id).is_(None))
        .order_by(col(ReadinessRecord.recorded_at), col(ReadinessRecord.id))
        .limit(_BATCH_MAX)
    ).all()


def _make_key(path: Path) -> None:
    """Makes it under another name first: two processes that start at once agree on one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = Ed25519PrivateKey.generate().private_bytes_raw()
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, key)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
