"""The Python SDK against our own MCP server, in each era and over each transport: an agent without a language model finds a
tool, reads its schema, calls it; progress comes while the call is under way; a call that is left ends where it runs.
Usage: TOKEN=… mcpgw.py BASE"""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx2
from mcp import Client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

BASE = sys.argv[1]
HEADERS = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
# Where our server answers, and in which era the client begins.
WAYS = [("mcpgw/mcp", "legacy"), ("mcpgw/mcp", "auto"), ("mcp", "legacy"), ("mcp", "auto"), ("mcpgw/sse", "legacy")]
SLOW = ["/python", "/python-sse"]


@asynccontextmanager
async def connected(door: str, mode: str):
    async with httpx2.AsyncClient(headers=HEADERS, timeout=30) as http:
        url = f"{BASE}/{door}"
        transport = (
            sse_client(url, headers=HEADERS, timeout=30) if door.endswith("sse") else streamable_http_client(url, http_client=http)
        )
        async with Client(transport, mode=mode) as client:
            yield client


async def invoke(client, server: str, tool: str, arguments: dict, hear=None):
    wish = {"server_name": server, "tool_name": tool, "arguments": arguments}
    return await client.call_tool("invoke_mcp_tool", wish, progress_callback=hear)


async def agent(client) -> None:
    """Ask, read, fill in what is required, call."""
    wish = {"natural_language_query": "current time in a time zone", "top_n_tools": 1}
    found = await client.call_tool("intelligent_tool_finder", wish)
    best = found.structured_content["results"][0]
    assert best["service_path"] == best["path"] == "/currenttime", best
    (argument,) = best["tool_schema"]["properties"]
    answer = await invoke(client, best["service_path"], best["tool_name"], {argument: "Asia/Tokyo"})
    assert not answer.is_error and "JST+0900" in answer.content[0].text, answer


async def refusals(client) -> None:
    answer = await invoke(client, "currenttime", "current_time_by_timezone", {"tz_name": 7})
    assert answer.is_error and "tz_name" in answer.content[0].text and "call again" in answer.content[0].text, answer
    answer = await invoke(client, "currenttime", "no_such_tool", {})
    assert answer.is_error and "current_time_by_timezone" in answer.content[0].text, answer
    answer = await invoke(client, "nowhere", "x", {})
    assert answer.is_error and "list_services" in answer.content[0].text, answer
    answer = await client.call_tool("intelligent_tool_finder", {"session_cookie": "s3cret"})
    assert answer.is_error and "query" in answer.content[0].text and "s3cret" not in answer.content[0].text, answer


async def hears_progress(client, server: str) -> None:
    """The server waits for our word after each progress, so it must come while the call is under way."""
    heard, key = asyncio.Queue(), str(uuid4())

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.put_nowait((progress, total))

    call = asyncio.create_task(invoke(client, server, "slow", {"key": key}, hear))
    for step in (1, 2):
        assert await heard.get() == (step, 2)
        await invoke(client, server, "go_on", {"key": key})
    answer = await call
    assert answer.content[0].text == "slow and steady", answer


async def leaves(client, server: str) -> None:
    """Leave a call after its first progress, while it waits: it must end in the server."""
    begun, key = asyncio.Event(), str(uuid4())

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        begun.set()

    call = asyncio.create_task(invoke(client, server, "wait", {"key": key}, hear))
    await begun.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    while f"left:{key}" not in (await invoke(client, server, "history", {})).content[0].text:
        pass


async def one_way(door: str, mode: str) -> str:
    async with connected(door, mode) as client:
        first = [tool.name for tool in (await client.list_tools()).tools]
        assert first[:2] == ["intelligent_tool_finder", "invoke_mcp_tool"], first
        assert first == [tool.name for tool in (await client.list_tools()).tools]
        await agent(client)
        await refusals(client)
        for server in SLOW:
            await hears_progress(client, server)
            # A request that stands alone is left by closing its connection; this SDK's older era keeps it open.
            if mode == "auto" or door.endswith("sse"):
                await leaves(client, server)
        return f"{door} {mode}: {'modern' if client.protocol_version >= '2026-07-28' else 'legacy'}"


async def main() -> None:
    async def in_time(way):
        try:
            return await asyncio.wait_for(one_way(*way), 60)
        except Exception as fault:
            raise RuntimeError(way) from fault

    for line in await asyncio.gather(*(in_time(way) for way in WAYS)):
        print(line)


asyncio.run(main())
