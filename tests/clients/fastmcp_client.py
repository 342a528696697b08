"""FastMCP's client against the servers behind the gateway, as a user of it would, or against those that serve one client
at a time. Usage: TOKEN=… fastmcp_client.py BASE [alone]"""

import asyncio
import json
import os
import sys
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import SSETransport, StreamableHttpTransport

BASE, ALONE = sys.argv[1], sys.argv[2:] == ["alone"]
CALLS = json.loads((Path(__file__).parent / "calls.json").read_text())
CALLS = [case for case in CALLS if case.get("alone", False) == ALONE]
HEADERS = {"Authorization": f"Bearer {os.environ['TOKEN']}"}


async def talk(case: dict) -> str:
    transport = SSETransport if case["door"] == "sse" else StreamableHttpTransport
    async with Client(transport(f"{BASE}/{case['mount']}/{case['door']}", headers=HEADERS), timeout=30) as client:
        assert case["tool"] in [tool.name for tool in await client.list_tools()]
        answer = await client.call_tool(case["tool"], case["arguments"])
        assert case["says"] in answer.content[0].text, answer
    return f"{case['mount']} fastmcp: ok"


async def main() -> None:
    for line in await asyncio.gather(*(talk(case) for case in CALLS)):
        print(line)


asyncio.run(main())
