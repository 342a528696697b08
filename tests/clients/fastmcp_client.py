"""List and call tools through the gateway with FastMCP, as a user of it would. Usage: TOKEN=… fastmcp_client.py BASE"""

import asyncio
import os
import sys

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

BASE = sys.argv[1]
HEADERS = {"Authorization": f"Bearer {os.environ['TOKEN']}"}


async def talk(path: str, name: str, arguments: dict) -> tuple[int, str]:
    async with Client(StreamableHttpTransport(f"{BASE}/{path}/mcp", headers=HEADERS), timeout=20) as client:
        tools = await client.list_tools()
        answer = await client.call_tool(name, arguments)
        return len(tools), answer.content[0].text


async def main() -> None:
    count, text = await talk("realserverfaketools", "quantum_flux_analyzer", {"energy_level": 3})
    assert '"stable":true' in text, text
    print(f"realserverfaketools: {count} tools")
    count, text = await talk("everything", "echo", {"message": "hello"})
    assert "hello" in text, text
    print("everything: echo")


asyncio.run(main())
