"""The Python SDK against the servers behind the gateway, as a user of it would, or against those that serve one client
at a time. Usage: TOKEN=… python_sdk.py BASE [alone]"""

import asyncio
import json
import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import ElicitResult

BASE, ALONE = sys.argv[1], sys.argv[2:] == ["alone"]
CALLS = json.loads((Path(__file__).parent / "calls.json").read_text())
CALLS = [case for case in CALLS if case.get("alone", False) == ALONE]
HEADERS = {"Authorization": f"Bearer {os.environ['TOKEN']}"}


async def introduce(context, params) -> ElicitResult:
    return ElicitResult(action="accept", content={"name": "Ada"})


@asynccontextmanager
async def connected(mount: str, door: str, mode: str):
    async with httpx2.AsyncClient(headers=HEADERS, timeout=30) as http:
        url = f"{BASE}/{mount}/{door}"
        transport = (
            sse_client(url, headers=HEADERS, timeout=30) if door == "sse" else streamable_http_client(url, http_client=http)
        )
        async with Client(transport, mode=mode, elicitation_callback=introduce) as client:
            yield client


async def lists_and_calls(case: dict, mode: str) -> str:
    async with connected(case["mount"], case["door"], mode) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        assert case["tool"] in tools, tools
        answer = await client.call_tool(case["tool"], case["arguments"])
        assert not answer.is_error and case["says"] in answer.content[0].text, answer
        return f"{case['mount']} {mode}: {'modern' if client.protocol_version >= '2026-07-28' else 'legacy'}"


async def hears_progress(mount: str, door: str, mode: str) -> str:
    """The server waits for our word after each progress, so it must come while the call is under way."""
    heard, key = asyncio.Queue(), str(uuid4())

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.put_nowait(progress)

    async with connected(mount, door, mode) as client:
        call = asyncio.create_task(client.call_tool("slow", {"key": key}, progress_callback=hear))
        for step in (1, 2):
            assert await heard.get() == step
            await client.call_tool("go_on", {"key": key})
        answer = await call
        assert answer.content[0].text == "slow and steady", answer
    return f"{mount} {mode}: progress"


async def is_asked(mount: str, door: str, mode: str) -> str:
    """A legacy server asks by a request of its own, a modern one in its answer."""
    async with connected(mount, door, mode) as client:
        answer = await client.call_tool("ask" if mode == "legacy" else "ask_in_the_answer")
        assert answer.content[0].text == "hello Ada", answer
    return f"{mount} {mode}: asked"


async def leaves(mount: str, door: str, mode: str) -> str:
    """Leave a call after its first progress, while it waits: it must end in the server."""
    begun, key = asyncio.Event(), str(uuid4())

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        begun.set()

    async with connected(mount, door, mode) as client:
        call = asyncio.create_task(client.call_tool("wait", {"key": key}, progress_callback=hear))
        await begun.wait()
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        while f"left:{key}" not in (await client.call_tool("history")).content[0].text:
            pass
    return f"{mount} {mode}: left"


async def in_time(what: str, work) -> str:
    try:
        return await asyncio.wait_for(work, 60)
    except Exception as fault:
        raise RuntimeError(what) from fault


async def main() -> None:
    modes = {"sse": ["legacy"], "mcp": ["legacy", "auto"]}
    work = [(lists_and_calls, (case, mode)) for case in CALLS for mode in modes[case["door"]]]
    for mount, door in [(case["mount"], case["door"]) for case in CALLS if case["tool"] == "add"]:
        work += [(does, (mount, door, mode)) for does in (hears_progress, leaves, is_asked) for mode in modes[door]]
    doing = [in_time(f"{does.__name__}{given}", does(*given)) for does, given in work]
    for line in await asyncio.gather(*doing):
        print(line)


asyncio.run(main())
