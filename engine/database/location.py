"""Whether a directory can carry a cluster, and where that cluster's socket goes."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import unicodedata
from pathlib import Path

import psutil

from engine.database.account import Account
from engine.database.configuration import PORT
from engine.errors import SetupError

# What a user reads when the place itself is wrong.
ELSEWHERE = "set SAVEGUARD_DATA_DIR to another directory"

# Control characters, bytes that are no text, line and paragraph separators.
_UNSPELLABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Neither flock nor fsync keeps its promise on these.
_NETWORK_FILESYSTEMS = frozenset(
    {
        "9p",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "fuse.davfs2",
        "fuse.glusterfs",
        "fuse.rclone",
        "fuse.s3fs",
        "fuse.sshfs",
        "glusterfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "smb2",
        "smb3",
        "smbfs",
        "webdav",
    }
)
# A fresh cluster takes 40 MB, its first checkpoint cycle about as much again.
_FRESH_CLUSTER_BYTES = 100 * 1024 * 1024
_FULL_BYTES = 1024 * 1024
# The kernel's limit is 108 bytes on Linux and 104 on macOS; the lock file's name is longer by 5.
_SOCKET_PATH_MAX = 98
# Not TMPDIR: every process must find the same directory, whatever its session says.
_TEMPORARY = Path("/tmp")  # noqa: S108 - the directory's owner and mode are checked


def check_path(root: Path) -> None:
    """Refuses a path that PostgreSQL's files cannot spell.

    Raises:
        SetupError: it holds a control character or is no text.
    """
    if any(unicodedata.category(character) in _UNSPELLABLE for character in str(root)):
        raise SetupError(
            f"the data directory {str(root)!r} has a control character in it: {ELSEWHERE}"
        )


def refuse_network_filesystem(root: Path) -> None:
    """Refuses a directory on another machine: a lock may not hold there, a flush may not reach.

    Raises:
        SetupError: `root` is on a network filesystem.
    """
    kind = _filesystem(root)
    if kind in _NETWORK_FILESYSTEMS:
        raise SetupError(
            f"{root} is on a network filesystem ({kind}), where PostgreSQL may lose data: set "
            "SAVEGUARD_DATA_DIR to a local directory, or DATABASE_URL to a server"
        )


def make_root(root: Path) -> None:
    """Makes the cluster's directory, and those above it that are missing.

    Under root they are open to enter, for the server's user has to; otherwise they are private.
    What exists already keeps its mode.
    """
    mode = 0o755 if os.geteuid() == 0 else 0o700
    missing = [path for path in (root, *root.parents) if not path.exists()]
    for path in reversed(missing):
        try:
            path.mkdir(mode)
        except FileExistsError:
            continue  # somebody starts at the same time, and sets the same mode
        path.chmod(mode)  # whatever the umask
    if not root.is_dir():
        raise SetupError(
            f"{root} is a file, where the database needs a directory: move it away, or {ELSEWHERE}"
        )


def check_reach(root: Path, account: Account) -> None:
    """Refuses a directory that the server's user cannot enter.

    Raises:
        SetupError: it names the directory that is closed.
    """
    if account.can_enter(root):
        return
    closed = next((path for path in _downwards(root) if not _lets_in(path, account)), root)
    mode = stat.S_IMODE(closed.stat().st_mode)
    raise SetupError(
        f"the server runs as the user {account.name}, who may not enter {closed} (mode "
        f"{mode:04o}): set SAVEGUARD_DATA_DIR to a directory open to that user, such as "
        "/var/lib/saveguard"
    )


def check_space(root: Path) -> None:
    """Refuses a disk that a fresh cluster does not fit on.

    Raises:
        SetupError: it says how much there is.
    """
    free = shutil.disk_usage(root).free
    if free < _FRESH_CLUSTER_BYTES:
        raise SetupError(
            f"{root} has {free // 2**20} MB left, and a new database needs "
            f"{_FRESH_CLUSTER_BYTES // 2**20} MB: free space, or {ELSEWHERE}"
        )


def is_full(root: Path) -> bool:
    """Whether there is no room for as much as a lock file."""
    return shutil.disk_usage(root).free < _FULL_BYTES


def socket_dir(data: Path) -> Path:
    """Where the server's socket goes: into the data directory, if its path can be a host.

    A path that is too long, or holds the comma that separates hosts, gets a directory of its own,
    named after the data directory so that every process finds it.
    """
    longest = os.fsencode(data / f".s.PGSQL.{PORT}")
    if len(longest) <= _SOCKET_PATH_MAX and "," not in str(data):
        return data
    digest = hashlib.sha256(os.fsencode(data)).hexdigest()[:16]
    return _TEMPORARY / f"saveguard-{digest}"


def prepare_socket_dir(directory: Path, account: Account) -> None:
    """Makes a socket directory outside the data directory, for the server's user alone.

    Raises:
        SetupError: it exists and is not private to that user; whoever made it could listen in.
    """
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        account.give(directory)
    found = directory.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == 0 == os.geteuid():
        account.give(directory)  # made by a start that was killed before it gave it away
        found = directory.lstat()
    is_private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0
    if found.st_uid != account.uid or not is_private:
        raise SetupError(
            f"{directory} is not a directory private to the user {account.name} (owner "
            f"{found.st_uid}, mode {stat.S_IMODE(found.st_mode):04o}): find out who made it and "
            f"remove it, or {ELSEWHERE}"
        )


def _filesystem(path: Path) -> str:
    mounts = {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}
    holder = next((place for place in (path, *path.parents) if place in mounts), None)
    return mounts[holder] if holder is not None else ""


def _downwards(path: Path) -> list[Path]:
    return [*reversed(path.parents), path]


def _lets_in(directory: Path, account: Account) -> bool:
    found = directory.stat()
    if found.st_uid == account.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    if found.st_gid == account.gid:
        return bool(found.st_mode & stat.S_IXGRP)
    return bool(found.st_mode & stat.S_IXOTH)
