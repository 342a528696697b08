"""List and call tools through the gateway with the Python SDK, as a user of it would. Usage: TOKEN=… python_sdk.py BASE"""

import asyncio
import os
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

BASE = sys.argv[1]
HEADERS = {"Authorization": f"Bearer {os.environ['TOKEN']}"}


async def talk(path: str, mode: str, name: str, arguments: dict) -> tuple[list[str], str]:
    async with httpx2.AsyncClient(headers=HEADERS, timeout=20) as http:
        transport = streamable_http_client(f"{BASE}/{path}/mcp", http_client=http)
        async with Client(transport, mode=mode) as client:
            tools = sorted(tool.name for tool in (await client.list_tools()).tools)
            answer = await client.call_tool(name, arguments)
            assert not answer.is_error, answer
            return tools, answer.content[0].text


async def main() -> None:
    for mode in ("legacy", "auto"):
        tools, text = await talk("currenttime", mode, "current_time_by_timezone", {"tz_name": "Europe/Paris"})
        assert "CE" in text, text
        print(f"currenttime {mode}: {tools[0]}")
        tools, text = await talk("realserverfaketools", mode, "quantum_flux_analyzer", {"energy_level": 3})
        assert '"stable":true' in text, text
        print(f"realserverfaketools {mode}: {len(tools)} tools")
        tools, text = await talk("everything", mode, "echo", {"message": "hello"})
        assert "hello" in text, text
        print(f"everything {mode}: {[tool for tool in tools if tool == 'echo'][0]}")


asyncio.run(main())
