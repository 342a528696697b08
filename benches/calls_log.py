"""What the call log costs, and whether every call is in the table.

Two gateways, one with the log and one without, take turns; a call's CPU counts nginx, the daemon, and the time that the
daemon needs afterwards until the last row is written. Usage: calls_log.py GATEHOUSE [ROUNDS] [SECONDS] [CALLS]
"""

import asyncio
import json
import pathlib
import sqlite3
import statistics
import sys
import time
from urllib.parse import urlsplit

from parts import MESSAGE, ask, bench, cpu_ms, fire, status_of, three_ways

ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 7
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 10
CALLS = int(sys.argv[4]) if len(sys.argv) > 4 else 100_000
CONNECTIONS = 16
LEFT_OVER = 1_000_000
ALL = ("--call-retention-rows", "100000000")


def log(gateway) -> dict:
    return ask(f"{gateway.base}/api/operations/nginx", gateway.admin)[1]["call_log"]


def until_written(gateway, least: int = 0) -> None:
    """Until nginx has written its last line, and the daemon its last row."""
    before = -1
    while True:
        now = log(gateway)
        if now["written"] == before and now["behind_bytes"] == 0 and now["written"] >= least:
            return
        before = now["written"]
        time.sleep(2.5)


async def exactly(url: str, token: str, count: int) -> None:
    """So many calls, no more and no less, each answered with 200."""
    where, body = urlsplit(url), json.dumps(MESSAGE)
    text = (
        f"POST {where.path} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()

    async def calls(number: int) -> None:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        for _ in range(number):
            writer.write(text)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 "), head
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.split(b":")[1]))
        writer.close()

    await asyncio.gather(*(calls(count // CONNECTIONS) for _ in range(CONNECTIONS)))


def every_call(gateway, url: str) -> str:
    table = sqlite3.connect(gateway.folder / "data/gatehouse.db")
    rows = lambda: table.execute("SELECT count(*), count(DISTINCT request_id) FROM calls").fetchone()
    until_written(gateway)
    (before, _), began = rows(), time.monotonic()
    count = CALLS // CONNECTIONS * CONNECTIONS
    asyncio.run(exactly(url, gateway.caller, count))
    taken = time.monotonic() - began
    until_written(gateway)
    (after, different), said = rows(), log(gateway)
    assert after == different, "a row came twice"
    assert after - before == count, f"{count} calls, {after - before} rows"
    return f"{count:,} calls at {count / taken:,.0f}/s: {after - before:,} rows, none twice, {said['skipped']} lines unreadable"


def rows_a_second(gateway, url: str) -> str:
    """A file that an earlier run has left, read out at the start."""
    logs = gateway.folder / "data/logs"
    # A line that is surely in the newest file.
    assert ask(url, gateway.caller, MESSAGE)[0] == 200
    until_written(gateway)
    line = next(line for line in (logs / "calls.log").read_text().splitlines() if "user%20" in line)
    identity = line.split('"id":"')[1].split('"')[0]
    gateway.stop()
    with open(logs / "calls.log.9", "w") as file:
        file.writelines(line.replace(identity, f"{number:032x}") + "\n" for number in range(LEFT_OVER))
    gateway.start()
    # It has begun already; what is written from here on counts.
    began, cpu, first = time.monotonic(), cpu_ms([gateway.daemon.pid]), log(gateway)["written"]
    while log(gateway)["written"] < LEFT_OVER:
        time.sleep(0.02)
    written = LEFT_OVER - first
    rate, cost = written / (time.monotonic() - began), (cpu_ms([gateway.daemon.pid]) - cpu) / written
    weight = status_of(gateway.daemon.pid, "VmRSS") / 1024
    store = sum(file.stat().st_size for file in (gateway.folder / "data").glob("gatehouse.db"))
    rows = sqlite3.connect(gateway.folder / "data/gatehouse.db").execute("SELECT count(*) FROM calls").fetchone()[0]
    began = time.monotonic()
    status, usage = ask(f"{gateway.base}/api/usage", gateway.admin)
    counted = time.monotonic() - began
    assert status == 200
    return (
        f"{rate:,.0f} rows/s at {1000 * cost:.1f} CPU-µs each; {store / rows:.0f} bytes a row; "
        f"{usage['totals']['calls']:,} calls counted in {counted:.2f} s; daemon {weight:.0f} MB, then {status_of(gateway.daemon.pid, 'VmRSS') / 1024:.0f} MB"
    )


with bench(sys.argv[1], settings=ALL) as (logging, stub), bench(sys.argv[1], settings=("--call-log", "false")) as (silent, other):
    gateways = {"with the log": (logging, three_ways(logging, stub)["direct"]), "without": (silent, three_ways(silent, other)["direct"])}
    seen: dict[str, list[tuple[float, float]]] = {row: [] for row in gateways}
    for _ in range(ROUNDS):
        for row, (gateway, url) in gateways.items():
            pids = [gateway.daemon.pid, *gateway.workers()]
            before = cpu_ms(pids)
            rate, calls = fire(gateway, url, gateway.caller, SECONDS)
            if gateway is logging:
                until_written(gateway)
            seen[row].append((rate, (cpu_ms(pids) - before) / calls))
    plain = statistics.median(cost for _, cost in seen["without"])
    print("| direct calls | calls/s, median | spread | CPU-ms a call, nginx + daemon | ratio |")
    print("|---|---|---|---|---|")
    for row, runs in seen.items():
        rates = [rate for rate, _ in runs]
        cost = statistics.median(cost for _, cost in runs)
        print(f"| {row} | {statistics.median(rates):,.0f} | {min(rates):,.0f}–{max(rates):,.0f} | {cost:.4f} | {cost / plain:.2f} |")
    print()
    print(every_call(*gateways["with the log"]))
    print(rows_a_second(*gateways["with the log"]))
