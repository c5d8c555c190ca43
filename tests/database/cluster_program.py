"""A program that uses a cluster, for the tests to start, to kill, and to look at from outside.

It says the server's process id and leaves when its input ends.
"""

import sys
from datetime import timedelta
from pathlib import Path

import psycopg

from engine.database.cluster import Cluster
from engine.errors import SetupError


def main(root: str, grace_s: str) -> None:
    cluster = Cluster(Path(root), grace=timedelta(seconds=float(grace_s)))
    try:
        cluster.start()
    except SetupError as error:
        sys.exit(str(error))
    with psycopg.connect(cluster.conninfo("postgres"), autocommit=True) as connection:
        connection.execute("SELECT 1")
    print((cluster.data / "postmaster.pid").read_text().split()[0], flush=True)  # noqa: T201 - told to the test
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
