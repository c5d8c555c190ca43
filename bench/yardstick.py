"""Serves `one_write.py` as the dashboard's pages are served: same settings, same warm start.

python -m bench.yardstick PORT
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import streamlit

from dashboard import asgi

_PAGE: Final = Path(__file__).with_name("one_write.py")


@asynccontextmanager
async def _lifespan(_app: streamlit.App) -> AsyncIterator[None]:
    asgi._warm_up()
    yield


def main() -> None:
    """Serves until it is stopped."""
    app = streamlit.App(_PAGE, lifespan=_lifespan)
    app.run(config=asgi.streamlit_config("127.0.0.1", int(sys.argv[1])))


if __name__ == "__main__":
    main()
