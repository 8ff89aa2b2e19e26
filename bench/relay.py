"""A TCP relay on loopback that holds every byte up for a while each way: distance, without leaving the machine.

A process of its own, `python bench/relay.py DELAY PORT...`: what is measured must not share its interpreter.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from typing import Self

_CHUNK = 1 << 16


class Relay:
    """Forwards a port each to ports of this machine, each way `delay` seconds late."""

    def __init__(self, to: list[int], delay: float) -> None:
        self._argv = [sys.executable, __file__, str(delay), *map(str, to)]

    def __enter__(self) -> Self:
        self._popen = subprocess.Popen(self._argv, stdout=subprocess.PIPE)
        assert self._popen.stdout is not None
        self.ports: list[int] = json.loads(self._popen.stdout.readline())
        return self

    def __exit__(self, *_: object) -> None:
        self._popen.kill()
        self._popen.wait()


async def _relay(delay: float, ports: list[int]) -> None:
    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                loop.call_later(delay, writer.write, data)
        loop.call_later(delay, writer.close)

    async def serve(port: int) -> int:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            # Who connects has an answer a round trip later at the earliest.
            await asyncio.sleep(2 * delay)
            there_reader, there_writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.gather(late(reader, there_writer), late(there_reader, writer))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        return int(server.sockets[0].getsockname()[1])

    print(json.dumps([await serve(port) for port in ports]), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_relay(float(sys.argv[1]), [int(one) for one in sys.argv[2:]]))
