"""How long a call takes at a fixed rate, with and without the gate.

Calls are sent when it is their time, whether or not earlier ones are answered, and a call's time begins when it should
have been sent: what waits behind a slow one counts (corrected for omission). Usage: latency.py GATEHOUSE [RATE] [SECONDS]
"""

import asyncio
import gc
import json
import sys
import time
from urllib.parse import urlsplit

from parts import MESSAGE, bench, three_ways

RATE = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 10
CONNECTIONS = 32


class Connection(asyncio.Protocol):
    """One connection, one call at a time; calls that come meanwhile wait, and their time runs."""

    def __init__(self, text: bytes, taken: list[float]) -> None:
        self.text, self.taken, self.waiting, self.seen = text, taken, [], b""

    def connection_made(self, transport) -> None:
        self.transport = transport

    def call(self, due: float) -> None:
        self.waiting.append(due)
        if len(self.waiting) == 1:
            self.transport.write(self.text)

    def data_received(self, data: bytes) -> None:
        self.seen += data
        if not self.seen.endswith(b"}"):
            return
        assert self.seen.startswith(b"HTTP/1.1 200 "), self.seen
        self.seen = b""
        self.taken.append(time.perf_counter() - self.waiting.pop(0))
        if self.waiting:
            self.transport.write(self.text)


async def load(url: str, token: str) -> list[float]:
    where, body = urlsplit(url), json.dumps(MESSAGE)
    text = (
        f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()
    taken: list[float] = []
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(lambda: Connection(text, taken), where.hostname, where.port))[1]
        for _ in range(CONNECTIONS)
    ]
    began, total = time.perf_counter(), RATE * SECONDS
    sent = 0
    while sent < total:
        due = min(total, int((time.perf_counter() - began) * RATE))
        for number in range(sent, due):
            connections[number % CONNECTIONS].call(began + number / RATE)
        sent = max(sent, due)
        await asyncio.sleep(0)
    while len(taken) < total:
        await asyncio.sleep(0.01)
    for connection in connections:
        connection.transport.close()
    return sorted(taken)


with bench(sys.argv[1]) as (gateway, stub):
    rows = three_ways(gateway, stub)
    gc.disable()
    print(f"| {RATE:,} calls/s, {SECONDS} s | p50 ms | p99 ms | p99.9 ms | added p99 ms |")
    print("|---|---|---|---|---|")
    plain = None
    for row, url in rows.items():
        asyncio.run(load(url, gateway.caller))  # warm
        taken = asyncio.run(load(url, gateway.caller))
        p50, p99, p999 = (1000 * taken[int(len(taken) * share)] for share in (0.5, 0.99, 0.999))
        plain = plain or p99
        print(f"| {row} | {p50:.2f} | {p99:.2f} | {p999:.2f} | {p99 - plain:.2f} |")
