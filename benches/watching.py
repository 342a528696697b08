"""What watching costs: a pass over 1,000 servers of which one hangs, and a change told to 1,000 listeners.

Usage: watching.py GATEHOUSE [SERVERS] [LISTENERS] [CHANGES]
"""

import asyncio
import base64
import concurrent.futures
import json
import os
import sys
import time
import urllib.request
from urllib.parse import urlsplit

from parts import ask, bench, cpu_ms, mcp_servers, status_of

SERVERS = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
LISTENERS = int(sys.argv[3]) if len(sys.argv) > 3 else 1_000
CHANGES = int(sys.argv[4]) if len(sys.argv) > 4 else 50
TIMEOUT = 10
TOOL = {"name": "now", "description": "Tells the time.", "inputSchema": {"type": "object"}}


def tools_of(path: str) -> list[dict] | None:
    return None if path == "/hung" else [TOOL]


def states(gateway) -> list[str]:
    return [row["status"] for row in ask(f"{gateway.base}/api/servers/health", gateway.admin)[1].values()]


def a_pass(gateway, url: str) -> str:
    """Registered without checks, then started with them: everybody is due at once."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: gateway.register(f"/s{number}", f"{url}/s{number}"), range(SERVERS - 1)))
    gateway.register("/hung", f"{url}/hung")
    gateway.stop()
    gateway.settings = (*gateway.settings, "--health-checks", "on")
    gateway.start()
    began, cpu = time.monotonic(), cpu_ms([gateway.daemon.pid])
    healthy = None
    while True:
        now = states(gateway)
        if healthy is None and now.count("healthy") == SERVERS - 1:
            healthy, cost = time.monotonic() - began, cpu_ms([gateway.daemon.pid]) - cpu
        if healthy and any(word.startswith("unhealthy") for word in now):
            break
        assert time.monotonic() - began < 60, "the pass takes more than a minute"
        time.sleep(0.1)
    return f"{SERVERS - 1:,} servers in {healthy:.1f} s at {cost / SERVERS:.2f} CPU-ms each, the hung one in {time.monotonic() - began:.1f} s; daemon {status_of(gateway.daemon.pid, 'VmRSS') / 1024:.0f} MB"


async def frame(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The next text; pings are answered (RFC 6455, section 5)."""
    while True:
        first, second = await reader.readexactly(2)
        length = second & 127
        if length > 125:
            length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8), "big")
        payload = await reader.readexactly(length)
        if first & 15 == 1:
            return payload
        assert first & 15 == 9, payload
        writer.write(b"\x8a\x80\0\0\0\0")


async def listen(base: str, heard: asyncio.Queue, joined: asyncio.Semaphore) -> None:
    where = urlsplit(base)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        f"GET /ws/health_status HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 "), head
    await frame(reader, writer)
    joined.release()
    while True:
        said = await frame(reader, writer)
        heard.put_nowait((time.perf_counter(), said))


def toggle(gateway, on: bool) -> float:
    headers = {"Authorization": f"Bearer {gateway.admin}", "Content-Type": "application/x-www-form-urlencoded"}
    began = time.perf_counter()
    urllib.request.urlopen(urllib.request.Request(f"{gateway.base}/toggle/hung", b"enabled=on" if on else b"", headers), timeout=20).close()
    return began


async def fan_out(gateway) -> str:
    heard: asyncio.Queue = asyncio.Queue()
    joined = asyncio.Semaphore(0)
    tasks = []
    for _ in range(LISTENERS):
        tasks.append(asyncio.create_task(listen(gateway.base, heard, joined)))
        if len(tasks) % 50 == 0:
            for _ in range(50):
                await asyncio.wait_for(joined.acquire(), 20)
    before, delays = cpu_ms([gateway.daemon.pid]), []
    weight = status_of(gateway.daemon.pid, "VmRSS") / 1024
    for number in range(CHANGES):
        on = number % 2 == 1
        sent = asyncio.get_running_loop().run_in_executor(None, toggle, gateway, on)
        word, times = ("checking" if on else "disabled"), []
        while len(times) < LISTENERS:
            at, said = await asyncio.wait_for(heard.get(), 20)
            if json.loads(said).get("/hung", {}).get("status") == word:
                times.append(at)
        began = await sent
        delays.extend(1000 * (at - began) for at in times)
    cost = (cpu_ms([gateway.daemon.pid]) - before) / len(delays)
    for task in tasks:
        task.cancel()
    delays.sort()
    at = lambda part: delays[int(part * (len(delays) - 1))]
    return f"{LISTENERS:,} listeners, {CHANGES} changes: from the request to each listener p50 {at(0.5):.0f} ms, p99 {at(0.99):.0f} ms, worst {delays[-1]:.0f} ms, {1000 * cost:.0f} CPU-µs a message; daemon {weight:.0f} MB with all of them"


settings = (
    *("--health-check-timeout-seconds", str(TIMEOUT), "--health-check-interval-seconds", "3600"),
    *("--max-websocket-connections", str(LISTENERS), "--call-log", "false"),
)
with bench(sys.argv[1], settings=settings) as (gateway, _):
    with mcp_servers(tools_of) as url:
        print(a_pass(gateway, url), flush=True)
        print(asyncio.run(fan_out(gateway)), flush=True)
