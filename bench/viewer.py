"""One viewer of a page, as its browser is seen by the server: a websocket, and reruns on time.

The protocol is Streamlit's own: binary `BackMsg` and `ForwardMsg` on /_stcore/stream. A browser
asks for the page once and then does what `auto_rerun` says: it reruns a fragment every so often.
It names the large messages that it still has, so that they are not sent again.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

# A browser forgets a message that it has not shown for so many runs.
_KEPT_RUNS: Final = 2
_PATIENCE_S: Final = 60.0
_FINISHED: Final = {
    ForwardMsg.ScriptFinishedStatus.FINISHED_SUCCESSFULLY,
    ForwardMsg.ScriptFinishedStatus.FINISHED_FRAGMENT_RUN_SUCCESSFULLY,
}


@dataclass(slots=True)
class Seen:
    """What a viewer has seen.

    Attributes:
        first_s: seconds until the page was there.
        refreshes: (when it was asked for, seconds that it took, bytes) of each refresh.
        missed: refreshes that were due while another one was still on its way.
        exceptions: pages, or parts of pages, that said an exception instead.
        failures: runs that did not end well.
    """

    first_s: float = 0.0
    refreshes: list[tuple[float, float, int]] = field(default_factory=list)
    missed: int = 0
    exceptions: int = 0
    failures: int = 0


class Viewer:
    """A page that is open in a browser."""

    def __init__(self, port: int, page: str, query: str) -> None:
        """Describes it; nothing is sent before `watch`.

        Args:
            port: of the server, on this machine.
            page: its path; empty for the first one.
            query: its parameters, as in the address.
        """
        self._port, self._page, self._query = port, page, query
        self._script = ""
        self._intervals: dict[str, float] = {}
        self._kept: dict[str, int] = {}
        self._run = 0
        self.seen = Seen()

    @property
    def refreshes_itself(self) -> bool:
        """Whether the page has asked to be refreshed."""
        return bool(self._intervals)

    async def watch(self, joined: asyncio.Event, leave: asyncio.Event) -> None:
        """Opens the page and keeps it open.

        Args:
            joined: set once the page is there.
            leave: when it is set, the viewer leaves.

        Raises:
            OSError: the server does not answer.
            TimeoutError: the server has not finished a page for a minute.
        """
        async with connect(
            f"ws://127.0.0.1:{self._port}/_stcore/stream",
            subprotocols=[Subprotocol("streamlit")],
            max_size=None,
        ) as socket:
            self.seen.first_s, _ = await self._rerun(socket, None)
            joined.set()
            await self._refresh(socket, leave)

    async def _refresh(self, socket: ClientConnection, leave: asyncio.Event) -> None:
        due = {name: time.perf_counter() + every for name, every in self._intervals.items()}
        while not leave.is_set():
            if not due:
                await leave.wait()
                return
            name = min(due, key=due.__getitem__)
            try:
                await asyncio.wait_for(leave.wait(), max(due[name] - time.perf_counter(), 0))
            except TimeoutError:
                pass
            else:
                return
            asked = time.perf_counter()
            took, received = await self._rerun(socket, name)
            self.seen.refreshes.append((asked, took, received))
            # A browser's timer does not wait for the answer; here the next one is asked for later.
            due[name] += self._intervals[name]
            while due[name] < time.perf_counter():
                due[name] += self._intervals[name]
                self.seen.missed += 1

    async def _rerun(self, socket: ClientConnection, fragment: str | None) -> tuple[float, int]:
        """Asks for the page or a fragment of it; seconds and bytes until it is finished."""
        self._run += 1
        began = time.perf_counter()
        await socket.send(self._request(fragment).SerializeToString())
        received = 0
        while True:
            data = await asyncio.wait_for(socket.recv(decode=False), _PATIENCE_S)
            received += len(data)
            message = ForwardMsg.FromString(data)
            if self._take(message):
                return time.perf_counter() - began, received

    def _request(self, fragment: str | None) -> BackMsg:
        request = BackMsg()
        state = request.rerun_script
        state.query_string, state.page_name = self._query, self._page
        state.context_info.timezone, state.context_info.locale = "UTC", "en-GB"
        state.context_info.url = f"http://127.0.0.1:{self._port}/{self._page}"
        state.page_script_hash = self._script
        state.cached_message_hashes.extend(self._kept)
        if fragment is not None:
            state.fragment_id, state.is_auto_rerun = fragment, True
        return request

    def _take(self, message: ForwardMsg) -> bool:
        """Looks at a message; whether the run is over."""
        kind = message.WhichOneof("type")
        if message.metadata.cacheable or kind == "ref_hash":
            self._kept[message.ref_hash or message.hash] = self._run
        if kind == "new_session":
            self._script = message.new_session.page_script_hash
        elif kind == "auto_rerun":
            self._intervals[message.auto_rerun.fragment_id] = message.auto_rerun.interval
        elif kind == "stop_auto_rerun":
            for name in message.stop_auto_rerun.fragment_ids:
                self._intervals.pop(name, None)
        elif kind == "delta":
            self.seen.exceptions += message.delta.new_element.WhichOneof("type") == "exception"
        elif kind == "script_finished":
            self.seen.failures += message.script_finished not in _FINISHED
            self._kept = {
                name: run for name, run in self._kept.items() if run > self._run - _KEPT_RUNS
            }
            return True
        return False
