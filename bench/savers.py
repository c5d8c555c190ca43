"""Who saves in a bench: agents with a client each, and the processes that save for them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlmodel import Session

from engine.access.accounts import add_agent
from engine.clock import Clock
from engine.database.migrate import owner_engine
from engine.quotes.clients import add_client

_TOP = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Worker:
    """An agent of ours with a client, one for each concurrent saver."""

    agent_id: str
    account_id: str
    client_id: str
    api_key: str


def make_workers(app: str, clock: Clock, count: int) -> list[Worker]:
    """Fresh agents with a client each.

    Args:
        app: conninfo of the application's role.
        clock: makes ids.
        count: how many.
    """
    made = []
    with Session(owner_engine(app)) as session:
        for number in range(count):
            agent = add_agent(
                session, clock, name=f"Agent {number}", email=f"{clock.uuid7()}@b.example"
            )
            client_id = add_client(
                session,
                clock,
                agent_id=agent.agent_id,
                first_name="Ada",
                last_name="Client",
                email="ada@example.org",
            )
            made.append(
                Worker(str(agent.agent_id), str(agent.account_id), str(client_id), agent.api_key)
            )
        session.commit()
    return made


def run_child(module: str, job: dict[str, Any]) -> dict[str, Any]:
    """Runs a module of ours in a process of its own: a job in, a result out, both as JSON.

    Raises:
        SystemExit: it failed; the message has the end of what it said.
    """
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", module],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        cwd=_TOP,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{module}: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result
