"""What the gate costs: calls a second with tool rights, direct and carried, beside the same nginx without the gate.

The baseline is a location of the very file that Gatehouse rendered, with the upstream lines and without the gate's. Runs
alternate, so that a noisy machine is noisy for all; the table shows medians, their spread, and ratios within this run.
Usage: calls.py GATEHOUSE [ROUNDS] [SECONDS]
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys

from parts import MESSAGE, bench, three_ways

ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 7
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 10


def cpu_ms(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


def load(url: str, token: str, script: pathlib.Path, pids: list[int]) -> tuple[float, float]:
    before = cpu_ms(pids)
    command = ["wrk", "-t1", "-c16", f"-d{SECONDS}s", "-s", str(script), url]
    said = subprocess.run(command, env={**os.environ, "TOKEN": token}, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])
    calls = int(re.search(r"(\d+) requests in", said)[1])
    return rate, (cpu_ms(pids) - before) / calls


with bench(sys.argv[1]) as (gateway, stub):
    script = gateway.folder / "post.lua"
    script.write_text(
        f"wrk.method = 'POST'\nwrk.body = [[{json.dumps(MESSAGE)}]]\n"
        "wrk.headers['Content-Type'] = 'application/json'\n"
        "wrk.headers['Authorization'] = 'Bearer ' .. os.getenv('TOKEN')\n"
    )
    rows = three_ways(gateway, stub)
    pids = [gateway.daemon.pid, *gateway.workers()]
    seen: dict[str, list[tuple[float, float]]] = {row: [] for row in rows}
    for _ in range(ROUNDS):
        for row, url in rows.items():
            seen[row].append(load(url, gateway.caller, script, pids))
    plain = statistics.median(rate for rate, _ in seen["baseline"])
    print("| calls with tool rights | calls/s, median | spread | ratio to baseline | CPU-ms a call, nginx + daemon |")
    print("|---|---|---|---|---|")
    for row, runs in seen.items():
        rates = [rate for rate, _ in runs]
        middle, cost = statistics.median(rates), statistics.median(cost for _, cost in runs)
        print(f"| {row} | {middle:,.0f} | {min(rates):,.0f}–{max(rates):,.0f} | {middle / plain:.2f} | {cost:.4f} |")
