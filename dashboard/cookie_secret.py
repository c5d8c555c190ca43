"""What our cookies are signed with: given by a setting, or made once and kept in a file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from engine.clock import Clock
from engine.errors import SetupError
from engine.settings import Settings

_FILE: Final = "cookie-secret"
_BYTES: Final = 32
_OWNER_ONLY: Final = 0o600


def cookie_secret(settings: Settings, clock: Clock) -> str:
    """The secret of this installation.

    Several processes that serve its dashboard need the same: one data directory, or the setting.

    Args:
        settings: has it, or the directory of the file.
        clock: for chance.

    Raises:
        SetupError: the file cannot be written or read, or others could read it.
    """
    if settings.cookie_secret is not None:
        return settings.cookie_secret.get_secret_value()
    path = settings.data_dir / _FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            _make(path, clock)
        with path.open("r", encoding="ascii") as file:
            is_private = os.fstat(file.fileno()).st_mode & 0o077 == 0
            secret = file.read().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(
            f"{path} cannot be used ({type(error).__name__}): set SAVEGUARD_COOKIE_SECRET"
        ) from None
    if not is_private or len(secret) < 2 * _BYTES:
        raise SetupError(
            f"{path} can be read by others, or is not whole: remove it, and a new one is made;"
            " everybody has to sign in again then"
        )
    return secret


def _make(path: Path, clock: Clock) -> None:
    """Writes the file whole, or leaves the one that is there.

    Raises:
        FileExistsError: there is one.
    """
    draft = path.with_name(f"{_FILE}.{clock.token(8).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(clock.token(_BYTES).hex())
        # Unlike a rename, a link does not take the place of what is there.
        os.link(draft, path)
    finally:
        draft.unlink()
