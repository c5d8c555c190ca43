"""`python -m engine.cli`: the engine's commands without the dashboard's."""

from __future__ import annotations

from engine.cli.main import cli, run

if __name__ == "__main__":
    run(cli)
