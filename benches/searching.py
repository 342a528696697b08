"""100 clients with 2,000 different questions: how many answers a second, how late, and how many went by words alone.

Usage: searching.py GATEHOUSE [TOOLS] [CLIENTS] [QUESTIONS]. It fails when fewer than 60 answers a second come, or one
takes longer than a second. The tools are those of `benches/data`, behind as many MCP servers as they have there.
"""

import asyncio
import collections
import concurrent.futures
import json
import sys
import time
import zlib
from urllib.parse import urlsplit

from parts import ROOT, ask, bench, cpu_ms, mcp_servers, status_of

TOOLS = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
CLIENTS = int(sys.argv[3]) if len(sys.argv) > 3 else 100
QUESTIONS = int(sys.argv[4]) if len(sys.argv) > 4 else 2_000
LEAST_RATE, LONGEST = 60, 1.0


def rows(pattern: str) -> list[dict]:
    files = sorted((ROOT / "benches/data").glob(pattern))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def servers() -> dict[str, list[dict]]:
    """By mount path: the first so many tools, as their servers list them."""
    found: dict[str, list[dict]] = collections.defaultdict(list)
    for row in rows("*/tools.jsonl")[:TOOLS]:
        schema = row["input_schema"] or {"type": "object"}
        found[row["server"]].append({"name": row["name"], "description": row["description"], "inputSchema": schema})
    return {f"/s{number}": tools for number, tools in enumerate(found.values())}


KNOWN = servers()


def until_idle(gateway) -> None:
    """Until everything is checked and has its vector: the daemon has nothing to do for two seconds."""
    quiet = 0
    for _ in range(1200):
        before = cpu_ms([gateway.daemon.pid])
        time.sleep(0.5)
        quiet = quiet + 1 if cpu_ms([gateway.daemon.pid]) - before < 30 else 0
        if quiet == 4:
            return
    raise AssertionError("the daemon has always something to do")


async def client(gateway, token: str, questions: collections.deque, times: dict[str, list[float]]) -> None:
    where = urlsplit(gateway.base)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    while questions:
        body = json.dumps({"query": questions.popleft()[:512], "max_results": 5}).encode()
        began = time.perf_counter()
        writer.write(
            b"POST /api/search/semantic HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (where.netloc.encode(), token.encode(), len(body), body)
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200 "), head
        if b"transfer-encoding: chunked" in head:
            said = b""
            while size := int(await reader.readline(), 16):
                said += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
        else:
            length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
            said = await reader.readexactly(int(length.split(b":")[1]))
        times[json.loads(said)["search_mode"]].append(time.perf_counter() - began)
    writer.close()


async def crowd(gateway, token: str, questions: list[str]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = collections.defaultdict(list)
    waiting = collections.deque(questions)
    await asyncio.gather(*(client(gateway, token, waiting, times) for _ in range(CLIENTS)))
    return times


def show(clients: int, seconds: float, times: dict[str, list[float]]) -> bool:
    every = sorted(time for part in times.values() for time in part)
    at = lambda share: 1000 * every[int(share * (len(every) - 1))]
    rate, by_words = len(every) / seconds, len(times["lexical-only"])
    print(
        f"| {clients} | {len(every):,} | {rate:.0f} | {at(0.5):.0f} | {at(0.99):.0f} | {at(1):.0f} | {by_words} ({by_words / len(every):.0%}) |",
        flush=True,
    )
    return rate >= LEAST_RATE and every[-1] <= LONGEST


questions = list(dict.fromkeys(row["query"][:512] for row in rows("*/queries*.jsonl")))
# As they come: long and short ones mixed, the same each time.
questions = sorted(questions, key=lambda text: zlib.crc32(text.encode()))[:QUESTIONS]
settings = ("--model-dir", str(ROOT / "data/model"), "--health-checks", "on", "--health-check-interval-seconds", "3600")
with bench(sys.argv[1], settings=settings) as (gateway, _):
    with mcp_servers(KNOWN.get) as url:
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda mount: gateway.register(mount, f"{url}{mount}"), KNOWN))
        until_idle(gateway)
        print(f"{TOOLS:,} tools of {len(KNOWN)} servers: {time.monotonic() - began - 2:.0f} s until all have their vectors")
        token = gateway.token("lists")
        first = ask(f"{gateway.base}/api/search/semantic", token, {"query": "weather"})[1]
        assert first["search_mode"] == "hybrid" and first["tools"], "there is no model"
        print("\n| clients | questions | answers/s | p50 ms | p99 ms | worst ms | by words alone |\n|---|---|---|---|---|---|---|")
        began = time.monotonic()
        times = asyncio.run(crowd(gateway, token, questions))
        holds = show(CLIENTS, time.monotonic() - began, times)
        print(f"\ndaemon {status_of(gateway.daemon.pid, 'VmRSS') / 1024:.0f} MB")
sys.exit(not holds)
