"""What the gate costs: calls a second with tool rights, direct and carried, beside the same nginx without the gate.

One gateway, one nginx worker, one stub upstream that answers from memory. The baseline is a location of the very file
that Gatehouse rendered, with the upstream lines and without the gate's. Runs alternate, so that a noisy machine is noisy
for all; the table shows medians, their spread, and ratios within this run. Usage: calls.py GATEHOUSE [ROUNDS] [SECONDS]
"""

import json
import os
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 7
SECONDS = int(sys.argv[3]) if len(sys.argv) > 3 else 10
MESSAGE = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "now", "arguments": {"zone": "UTC"}}}
POLICY = """
bench: [{server: direct, methods: [tools/call], tools: [now]}, {server: carried, methods: [tools/call], tools: [now]}]
UI-Scopes: {maker: {register_service: [all]}}
"""
BASELINE = """
        location = /_baseline/mcp {
            {% for block in blocks %}{% if loop.first %}set $target http://{{ block.name }}/mcp;{% endif %}{% endfor %}
            set $authority stub; set $server_word direct;
            {% include "part_upstream.tera" %}
        }
"""


def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def post(url: str, body: dict, token: str) -> int:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.status


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


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="gh") as name:
        folder = pathlib.Path(name)
        stub, gate = port(), port()
        (folder / "stub.conf").write_text(
            f"worker_processes 1; pid {folder}/stub.pid; error_log {folder}/stub.log; daemon off;\n"
            "events { worker_connections 1024; }\n"
            f"http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;"
            f" uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s; keepalive_requests 1000000;\n"
            f"server {{ listen 127.0.0.1:{stub}; location / {{ default_type application/json;"
            " return 200 '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}'; } } }\n"
        )
        (folder / "post.lua").write_text(
            "wrk.method = 'POST'\n"
            f"wrk.body = [[{json.dumps(MESSAGE)}]]\n"
            "wrk.headers['Content-Type'] = 'application/json'\n"
            "wrk.headers['Authorization'] = 'Bearer ' .. os.getenv('TOKEN')\n"
        )
        (folder / "auth").mkdir()
        (folder / "auth/scopes.yml").write_text(POLICY)
        shutil.copytree(ROOT / "nginx", folder / "nginx")
        doors = folder / "nginx/doors.tera"
        doors.write_text(BASELINE + doors.read_text())
        path = os.environ["PATH"] + ":/usr/sbin"
        upstream = subprocess.Popen(["nginx", "-c", folder / "stub.conf", "-p", folder], env={"PATH": path}, stderr=subprocess.DEVNULL)
        data = ["--data-dir", folder / "data"]
        settings = ["--listen", f"127.0.0.1:{gate}", "--nginx-workers", "1", "--nginx-dir", folder / "nginx", "--auth-dir", folder / "auth"]
        daemon = subprocess.Popen([PROGRAM, "serve", *data, *settings], env={"PATH": path}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            measure(folder, daemon, data, f"http://127.0.0.1:{gate}", f"http://127.0.0.1:{stub}")
        finally:
            daemon.terminate()
            daemon.wait(20)
            upstream.terminate()
            upstream.wait(20)


def measure(folder: pathlib.Path, daemon: subprocess.Popen, data: list, base: str, stub: str) -> None:
    while "is ready at" not in daemon.stdout.readline():
        pass

    def token(scope: str) -> str:
        command = [PROGRAM, "token", "create", *data, "--user", "bench", "--scopes", scope]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    admin, maker, caller = token("mcp-registry-admin"), token("maker"), token("bench")
    for who, mount in ((admin, "direct"), (maker, "carried")):
        record = {"server_name": mount, "path": f"/{mount}", "proxy_pass_url": stub}
        assert post(f"{base}/api/management/servers", record, who) == 201
    live = urllib.request.Request(f"{base}/api/operations/nginx", headers={"Authorization": f"Bearer {admin}"})
    for _ in range(200):
        with urllib.request.urlopen(live, timeout=5) as answer:
            if json.load(answer)["blocks"] == 1:
                break
        time.sleep(0.05)
    master = int((folder / "data/run/nginx.group").read_text().split()[1])
    children = pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split()
    pids = [daemon.pid, *map(int, children)]
    rows = {"baseline": f"{base}/_baseline/mcp", "direct": f"{base}/direct/mcp", "carried": f"{base}/carried/mcp"}
    seen: dict[str, list[tuple[float, float]]] = {row: [] for row in rows}
    for url in rows.values():
        assert post(url, MESSAGE, caller) == 200
    for _ in range(ROUNDS):
        for row, url in rows.items():
            seen[row].append(load(url, caller, folder / "post.lua", pids))
    plain = statistics.median(rate for rate, _ in seen["baseline"])
    print("| calls with tool rights | calls/s, median | spread | ratio to baseline | CPU-ms a call, nginx + daemon |")
    print("|---|---|---|---|---|")
    for row, runs in seen.items():
        rates = [rate for rate, _ in runs]
        middle = statistics.median(rates)
        spread = f"{min(rates):,.0f}–{max(rates):,.0f}"
        cost = statistics.median(cost for _, cost in runs)
        print(f"| {row} | {middle:,.0f} | {spread} | {middle / plain:.2f} | {cost:.4f} |")


main()
