"""What the gate costs: calls a second with tool rights, direct and carried, beside the same nginx without the gate.

The baseline is a location of the very file that Gatehouse rendered, with the upstream lines and without the gate's. Runs
alternate, so that a noisy machine is noisy for all; the table shows medians, their spread, and ratios within this run.
Usage: calls.py GATEHOUSE [ROUNDS] [SECONDS]
"""

import statistics
import sys

from parts import bench, load, three_ways

ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 7
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 10


with bench(sys.argv[1]) as (gateway, stub):
    rows = three_ways(gateway, stub)
    pids = [gateway.daemon.pid, *gateway.workers()]
    seen: dict[str, list[tuple[float, float]]] = {row: [] for row in rows}
    for _ in range(ROUNDS):
        for row, url in rows.items():
            seen[row].append(load(gateway, url, gateway.caller, SECONDS, pids))
    plain = statistics.median(rate for rate, _ in seen["baseline"])
    print("| calls with tool rights | calls/s, median | spread | ratio to baseline | CPU-ms a call, nginx + daemon |")
    print("|---|---|---|---|---|")
    for row, runs in seen.items():
        rates = [rate for rate, _ in runs]
        middle, cost = statistics.median(rates), statistics.median(cost for _, cost in runs)
        print(f"| {row} | {middle:,.0f} | {min(rates):,.0f}–{max(rates):,.0f} | {middle / plain:.2f} | {cost:.4f} |")
