"""Serves a page of one `st.write` as the dashboard's are served: same settings, same warm start.

python -m bench.yardstick PORT [one_write.py | one_answer.py]
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import streamlit

from dashboard import asgi
from engine.settings import Settings

_PAGE: Final = "one_write.py"


@asynccontextmanager
async def _lifespan(_app: streamlit.App) -> AsyncIterator[None]:
    asgi._warm_up()
    yield


def main() -> None:
    """Serves until it is stopped."""
    page = Path(__file__).with_name(sys.argv[2] if len(sys.argv) > 2 else _PAGE)  # noqa: PLR2004  # see above
    app = streamlit.App(page, lifespan=_lifespan)
    app.run(config=asgi.streamlit_config(Settings(port=int(sys.argv[1]))))


if __name__ == "__main__":
    main()
