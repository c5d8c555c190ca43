"""A real OpenID provider on loopback, of npm's `oidc-provider`; installed once, then kept."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import platformdirs
import pytest

CLIENT_ID: Final = "saveguard"
CLIENT_SECRET: Final = "of-a-client-on-loopback"  # noqa: S105
_HERE: Final = Path(__file__).resolve().parent / "provider"
_FILES: Final = ("package.json", "package-lock.json", ".npmrc", "provider.mjs")
_MISSING: Final = (
    "NOT RUN: NOBODY SIGNED IN WITH A PROVIDER. {what} is missing; install it with:"
    " apt-get install -y nodejs npm"
)
_STOP_S: Final = 10.0


@contextmanager
def running_provider() -> Iterator[str]:
    """Runs the provider until the block ends; yields its address. A loud skip without node."""
    installed = _installed()
    serving = subprocess.Popen(  # noqa: S603
        [_program("node"), str(installed / "provider.mjs")],
        stdin=subprocess.PIPE,  # it ends when this is closed, however this process ends
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": CLIENT_SECRET},
    )
    try:
        assert serving.stdout is not None
        said, _, port = serving.stdout.readline().strip().partition(" ")
        assert said == "listening", "the provider ended"
        yield f"http://127.0.0.1:{port}"
    finally:
        serving.terminate()
        serving.communicate(timeout=_STOP_S)


def _installed() -> Path:
    """Where the provider lies with its packages; made by npm the first time."""
    npm = _program("npm")
    version = subprocess.run(  # noqa: S603
        [_program("node"), "--version"], check=True, capture_output=True
    ).stdout
    wanted = hashlib.sha256(version + b"".join((_HERE / name).read_bytes() for name in _FILES))
    cache = platformdirs.user_cache_path("saveguard-tests")
    place = cache / f"provider-{wanted.hexdigest()[:16]}"
    if place.exists():
        return place
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as draft:
        for name in _FILES:
            shutil.copy(_HERE / name, draft)
        done = subprocess.run(  # noqa: S603
            [npm, "ci"], cwd=draft, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            pytest.skip(_MISSING.format(what=f"npm's registry ({done.stderr.strip()[-200:]})"))
        inside = Path(draft) / "whole"
        inside.mkdir()
        for each in Path(draft).iterdir():
            if each != inside:
                each.rename(inside / each.name)
        try:
            inside.rename(place)
        except OSError:  # somebody else was faster
            assert place.exists()
    return place


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(_MISSING.format(what=name))
    return found
