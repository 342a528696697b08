"""What looking into answers costs: cut lists, opened sessions, streams. Usage: streams.py GATEHOUSE [SECONDS] [STREAMS]"""

import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

from parts import bench, status_of

SECONDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
STREAMS = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
ROUNDS = 3
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
HELLO = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}


def rate(folder, url: str, token: str, message: dict) -> float:
    script = folder / "message.lua"
    script.write_text(
        f"wrk.method = 'POST'\nwrk.body = [[{json.dumps(message)}]]\nwrk.headers['Content-Type'] = 'application/json'\n"
        "wrk.headers['Authorization'] = 'Bearer ' .. os.getenv('TOKEN')\n"
    )
    command = ["wrk", "-t1", "-c16", f"-d{SECONDS}s", "-s", str(script), url]
    said = subprocess.run(command, env={**os.environ, "TOKEN": token}, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


async def serve(ready) -> None:
    """An upstream that opens a stream, says one event and then nothing."""

    async def talk(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        event = b"data: {}\n\n"
        writer.write(head + b"%x\r\n%s\r\n" % (len(event), event))
        await reader.read()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, backlog=1024)
    ready(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()


async def open_stream(url: str, token: str) -> tuple[float, asyncio.StreamWriter]:
    """Milliseconds until the first event, and the stream, still open."""
    where = urlsplit(url)
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(f"GET {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    await reader.readuntil(b"data: {}")
    return 1000 * (time.perf_counter() - began), writer


async def delays(url: str, token: str) -> float:
    seen = []
    for _ in range(200):
        delay, writer = await open_stream(url, token)
        writer.close()
        seen.append(delay)
    return statistics.median(seen)


async def grown(gateway, url: str, token: str) -> list[float]:
    """kB for each of many open streams, of the daemon and of nginx."""
    pids = (gateway.daemon.pid, *gateway.workers())
    before = [status_of(pid, "VmRSS") for pid in pids]
    streams = [(await open_stream(url, token))[1] for _ in range(STREAMS)]
    after = [status_of(pid, "VmRSS") for pid in pids]
    for writer in streams:
        writer.close()
    return [(now - then) / STREAMS for now, then in zip(after, before)]


with bench(sys.argv[1]) as (gateway, stub):
    few, everything = gateway.token("few"), gateway.token("lists")
    gateway.register("/many", f"{stub}/many")
    gateway.register("/hello", f"{stub}/hello")
    gateway.until_blocks(1)
    seen = {"cut": [], "whole": [], "initialize": []}
    for _ in range(ROUNDS):
        seen["whole"].append(rate(gateway.folder, f"{gateway.base}/many/mcp", everything, LIST))
        seen["cut"].append(rate(gateway.folder, f"{gateway.base}/many/mcp", few, LIST))
        seen["initialize"].append(rate(gateway.folder, f"{gateway.base}/hello/mcp", everything, HELLO))
    middle = {row: statistics.median(rates) for row, rates in seen.items()}
    print("| what | figure |\n|---|---|")
    print(f"| `tools/list` of 50 tools, whole | {middle['whole']:,.0f}/s |")
    print(f"| the same, cut to 5 | {middle['cut']:,.0f}/s, ratio {middle['cut'] / middle['whole']:.2f} |")
    print(f"| legacy `initialize`, carried, its session kept | {middle['initialize']:,.0f}/s |")
    listening = threading.Event()
    ports: list[int] = []
    upstream = threading.Thread(target=lambda: asyncio.run(serve(lambda port: (ports.append(port), listening.set()))), daemon=True)
    upstream.start()
    listening.wait(10)
    gateway.register("/stream", f"http://127.0.0.1:{ports[0]}")
    gateway.until_blocks(2)
    plain = asyncio.run(delays(f"http://127.0.0.1:{ports[0]}/mcp", ""))
    gated = asyncio.run(delays(f"{gateway.base}/stream/mcp", everything))
    print(f"| first event of a stream, without and with the gateway, p50 | {plain:.2f} ms, {gated:.2f} ms |")
    daemon, nginx = asyncio.run(grown(gateway, f"{gateway.base}/stream/mcp", everything))
    print(f"| {STREAMS:,} open streams, daemon + nginx | {daemon:.1f} + {nginx:.1f} kB each |")
