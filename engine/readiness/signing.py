"""The installation's Ed25519 key: made the first time, and kept outside of the database.

It lies in DATA_DIR, readable by the engine's user alone; who has the database has not the key. Its
public half lies beside it, for whoever verifies.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from engine.errors import SetupError

KEY_FILE: Final = "signing.key"
PUBLIC_KEY_FILE: Final = "signing.pub"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with the key in a directory.

    Attributes:
        directory: of the key; made with it.
    """

    directory: Path

    @property
    def has_key(self) -> bool:
        """Whether there is a key already."""
        return (self.directory / KEY_FILE).exists()

    @property
    def public_key(self) -> bytes:
        """The key that signatures are held against, 32 bytes.

        Raises:
            SetupError: there is no key, and none can be made.
        """
        return self._key().public_key().public_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature over a message, 64 bytes.

        Raises:
            SetupError: there is no key, and none can be made.
        """
        return self._key().sign(message)

    def _key(self) -> Ed25519PrivateKey:
        path = self.directory / KEY_FILE
        try:
            if not path.exists():
                self.directory.mkdir(parents=True, exist_ok=True)
                _make(path, Ed25519PrivateKey.generate().private_bytes_raw(), 0o600)
            key = Ed25519PrivateKey.from_private_bytes(path.read_bytes())
            public = self.directory / PUBLIC_KEY_FILE
            if not public.exists():
                written = key.public_key().public_bytes_raw().hex() + "\n"
                _make(public, written.encode(), 0o644)
        except (OSError, ValueError) as error:
            raise SetupError(
                f"the signing key {path} cannot be used: {type(error).__name__}"
            ) from None
        return key


def is_signed(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """What `verifier.is_signed` says, a hundred times as fast: a process that saves has no seconds.

    The two are held against each other by a test.
    """
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _make(path: Path, content: bytes, mode: int) -> None:
    """Makes a file under another name first: two processes that start at once agree on one."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)
