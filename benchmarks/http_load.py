"""The load of the HTTP benchmark, a process of its own with nothing but the standard library: paths in, times out, as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from time import perf_counter

CONNECTIONS = 32
"""Shoppers who wait for an answer at one time."""


async def _load(port: int, paths: Sequence[str]) -> dict[str, float]:
    waiting, times = iter(paths), list[float]()

    async def shopper() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for path in waiting:
            start = perf_counter()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head.decode())
            await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
            times.append(1e3 * (perf_counter() - start))
        writer.close()

    start = perf_counter()
    await asyncio.gather(*(shopper() for _ in range(CONNECTIONS)))
    seconds = perf_counter() - start
    times.sort()
    return {"per_s": len(times) / seconds, "p50": times[len(times) // 2], "p99": times[len(times) * 99 // 100]}


if __name__ == "__main__":
    task = json.loads(sys.stdin.read())
    sys.stdout.write(json.dumps(asyncio.run(_load(task["port"], task["paths"]))))
