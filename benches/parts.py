"""What the benchmarks share: a stub that answers from memory, a gateway with its own folder, callers and their clocks."""

import asyncio
import contextlib
import json
import multiprocessing
import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
MESSAGE = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "now", "arguments": {"zone": "UTC"}}}
POLICY = """
group_mappings: {mcp-registry-admin: [mcp-registry-admin], callers: [bench]}
bench: [{server: '*', methods: [tools/call], tools: [now]}]
lists: [{server: '*', methods: ['*'], tools: ['*']}]
few: [{server: '*', methods: [tools/list, tools/call], tools: [tool3, tool14, tool15, tool9, tool26]}]
UI-Scopes: {maker: {register_service: [all]}}
"""
BASELINE = """
        location = /_baseline/mcp {
            {% for block in blocks %}{% if loop.first %}set $target http://{{ block.name }}/mcp;{% endif %}{% endfor %}
            set $authority stub; set $server_word direct;
            {% include "part_upstream.tera" %}
        }
"""
ENVIRONMENT = {"PATH": os.environ["PATH"] + ":/usr/sbin"}


def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def ask(url: str, token: str, body: dict | None = None) -> tuple[int, dict]:
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, {}


def status_of(pid: int, field: str) -> int:
    """A figure of /proc, in kB."""
    line = next(line for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])


def cpu_ms(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks * 1000 / os.sysconf("SC_CLK_TCK")


def fire(gateway: "Gateway", url: str, token: str, seconds: int) -> tuple[float, int]:
    """Calls a second of 16 connections, and how many there were."""
    script = gateway.folder / "post.lua"
    script.write_text(
        f"wrk.method = 'POST'\nwrk.body = [[{json.dumps(MESSAGE)}]]\n"
        "wrk.headers['Content-Type'] = 'application/json'\n"
        "wrk.headers['Authorization'] = 'Bearer ' .. os.getenv('TOKEN')\n"
    )
    command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", str(script), url]
    said = subprocess.run(command, env={**os.environ, "TOKEN": token}, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in said, said
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1]), int(re.search(r"(\d+) requests in", said)[1])


def load(gateway: "Gateway", url: str, token: str, seconds: int, pids: list[int]) -> tuple[float, float]:
    """Calls a second of 16 connections, and the CPU-ms that each cost these processes."""
    before = cpu_ms(pids)
    rate, calls = fire(gateway, url, token, seconds)
    return rate, (cpu_ms(pids) - before) / calls


def tool(number: int) -> dict:
    schema = {"type": "object", "properties": {"zone": {"type": "string", "description": "a name of the zone database"}}}
    return {"name": f"tool{number}", "description": "Tells the time in a zone of the world.", "inputSchema": schema}


MANY = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"tools": [tool(number) for number in range(50)]}})


class Gateway:
    """A gateway with one nginx worker, in a folder that goes with it."""

    def __init__(self, program: str, folder: pathlib.Path, providers: str, settings: tuple[str, ...]) -> None:
        # Checks would ask a thousand servers that nobody started; who measures them switches them on.
        self.settings = ("--health-checks", "off", *settings)
        self.program, self.folder = str(pathlib.Path(program).resolve()), folder
        self.listen = f"127.0.0.1:{port()}"
        self.base = f"http://{self.listen}"
        (folder / "auth").mkdir()
        (folder / "auth/scopes.yml").write_text(POLICY)
        (folder / "auth/oauth2_providers.yml").write_text(providers)
        shutil.copytree(ROOT / "nginx", folder / "nginx")
        doors = folder / "nginx/doors.tera"
        doors.write_text(BASELINE + doors.read_text())
        self.start()
        self.admin, self.maker, self.caller = map(self.token, ("mcp-registry-admin", "maker", "bench"))

    def start(self) -> float:
        """Seconds until it is ready."""
        settings = ["--listen", self.listen, "--nginx-workers", "1", "--reload-seconds", "1", *self.settings]
        folders = ["--data-dir", self.folder / "data", "--nginx-dir", self.folder / "nginx", "--auth-dir", self.folder / "auth"]
        began = time.monotonic()
        self.daemon = subprocess.Popen(
            [self.program, "serve", *folders, *settings], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        while "is ready at" not in self.daemon.stdout.readline():
            assert self.daemon.poll() is None, "the gateway did not start"
        return time.monotonic() - began

    def stop(self) -> None:
        self.daemon.terminate()
        self.daemon.wait(20)

    def token(self, scope: str) -> str:
        command = [self.program, "token", "create", "--data-dir", self.folder / "data", "--user", scope, "--scopes", scope]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def register(self, path: str, url: str, token: str | None = None, **more) -> None:
        body = {"server_name": path, "path": path, "proxy_pass_url": url} | more
        status, _ = ask(f"{self.base}/api/management/servers", token or self.admin, body)
        assert status == 201, (path, status)

    def workers(self) -> list[int]:
        master = int((self.folder / "data/run/nginx.group").read_text().split()[1])
        return [int(pid) for pid in pathlib.Path(f"/proc/{master}/task/{master}/children").read_text().split()]

    def until_blocks(self, count: int) -> None:
        """Until nginx runs a text with so many blocks and no worker an older one."""
        for _ in range(1200):
            _, now = ask(f"{self.base}/api/operations/nginx", self.admin)
            if now.get("blocks") == count and len(self.workers()) == 1:
                return
            time.sleep(0.05)
        raise AssertionError("nginx does not follow")


@contextlib.contextmanager
def bench(program: str, providers: str = "{}", settings: tuple[str, ...] = ()):
    """A gateway that believes these providers, and the address of a stub behind it."""
    with tempfile.TemporaryDirectory(prefix="gh") as name:
        folder, stub = pathlib.Path(name), port()
        # nginx takes no word of more than 4,096 bytes.
        cut = [MANY[start : start + 3000] for start in range(0, len(MANY), 3000)]
        pieces = " ".join(f"set $piece{number} '{piece}';" for number, piece in enumerate(cut))
        names = "".join(f"$piece{number}" for number in range(len(cut)))
        temporary = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (folder / "stub.conf").write_text(
            f"worker_processes 1; pid {folder}/stub.pid; error_log {folder}/stub.log; daemon off;\n"
            f"events {{ worker_connections 1024; }}\nhttp {{ access_log off; {temporary} keepalive_requests 1000000;\n"
            f"server {{ listen 127.0.0.1:{stub};"
            f" location /many/ {{ default_type application/json; {pieces} return 200 '{names}'; }}"
            " location /hello/ { default_type application/json; add_header Mcp-Session-Id $request_id; return 200 '{}'; }"
            f" location / {{ default_type application/json;"
            " return 200 '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[]}}'; } } }\n"
        )
        upstream = subprocess.Popen(["nginx", "-c", folder / "stub.conf", "-p", folder], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        gateway = None
        try:
            gateway = Gateway(program, folder, providers, settings)
            yield gateway, f"http://127.0.0.1:{stub}"
        finally:
            if gateway:
                gateway.stop()
            upstream.terminate()
            upstream.wait(20)


@contextlib.contextmanager
def mcp_servers(tools_of):
    """The address of MCP servers of the legacy era, one below each mount path; without tools one never answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hello = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "stub", "version": "1"}}
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                message = json.loads(await reader.readexactly(int(length.split(b":")[1])))
                tools = tools_of("/" + head.split(b" ", 2)[1].decode().strip("/").split("/")[0])
                if tools is None:
                    await reader.read()
                if "id" not in message:
                    writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
                    continue
                result = {"initialize": hello, "tools/list": {"tools": tools}}.get(message["method"])
                said = {"result": result} if result else {"error": {"code": -32601, "message": "no such method"}}
                body = json.dumps({"jsonrpc": "2.0", "id": message["id"], **said}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
        ready.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    ready: multiprocessing.Queue = multiprocessing.Queue()
    process = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(serve()), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ready.get(timeout=20)}"
    finally:
        process.terminate()
        process.join()


def three_ways(gateway: Gateway, stub: str) -> dict[str, str]:
    """The same stub without the gate, direct and carried; each is called once."""
    gateway.register("/direct", stub)
    gateway.register("/carried", stub, gateway.maker)
    gateway.until_blocks(1)
    rows = {"baseline": "_baseline", "direct": "direct", "carried": "carried"}
    rows = {row: f"{gateway.base}/{mount}/mcp" for row, mount in rows.items()}
    for url in rows.values():
        assert ask(url, gateway.caller, MESSAGE)[0] == 200, url
    return rows
