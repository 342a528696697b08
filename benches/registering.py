"""How soon a new server is served, and what many servers weigh. Usage: registering.py GATEHOUSE [MOST]"""

import concurrent.futures
import statistics
import sys
import time

from parts import MESSAGE, ask, bench, status_of

MOST = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
TRIES = 50


def first_call(gateway, stub: str, name: str) -> float:
    """Milliseconds from sending the registration to the answer of a call."""
    began = time.perf_counter()
    gateway.register(f"/{name}", f"{stub}/{name}")
    while ask(f"{gateway.base}/{name}/mcp", gateway.caller, MESSAGE)[0] != 200:
        assert time.perf_counter() - began < 20
    return 1000 * (time.perf_counter() - began)


with bench(sys.argv[1]) as (gateway, stub), concurrent.futures.ThreadPoolExecutor(8) as pool:
    print("| servers | register → first call, p50 ms | worst | nginx worker MB | start to ready s | daemon MB |")
    print("|---|---|---|---|---|---|")
    there = 0
    for wanted in (100, 1_000, 10_000):
        if wanted > MOST:
            break
        # Each filler is another upstream, so that nginx gets as many blocks as it may have.
        fill = [f"127.{1 + number // 62_500}.{number // 250 % 250}.{number % 250 + 1}:9" for number in range(there, wanted)]
        list(pool.map(lambda item: gateway.register(f"/f{item[0]}", f"http://{item[1]}"), enumerate(fill, there)))
        there = wanted
        tries = sorted(first_call(gateway, stub, f"t{wanted}-{number}") for number in range(TRIES))
        gateway.until_blocks(min(500, wanted + 1))
        worker = status_of(gateway.workers()[0], "VmRSS") / 1024
        gateway.stop()
        ready = gateway.start()
        ask(f"{gateway.base}/f0/mcp", gateway.caller, MESSAGE)
        daemon = status_of(gateway.daemon.pid, "VmRSS") / 1024
        print(f"| {wanted:,} | {statistics.median(tries):.1f} | {tries[-1]:.1f} | {worker:.1f} | {ready:.2f} | {daemon:.1f} |", flush=True)
