"""A small server of the Python SDK or of FastMCP, on this machine only. Usage: server.py sdk|fastmcp http|sse PORT"""

import sys
from collections import defaultdict

import anyio
from mcp_types import ElicitRequest, ElicitRequestFormParams, InputRequiredResult
from pydantic import BaseModel

maker, transport, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
if maker == "fastmcp":
    from fastmcp import Context
    from fastmcp import FastMCP as Server
else:
    from mcp.server.mcpserver import Context
    from mcp.server.mcpserver import MCPServer as Server

server = Server("peer")
ran: list[str] = []
heard = defaultdict(lambda: anyio.Semaphore(0))


class Answer(BaseModel):
    name: str


@server.tool()
def add(a: int, b: int) -> str:
    """Add two numbers."""
    ran.append("add")
    return str(a + b)


@server.tool()
def forbidden() -> str:
    """Remember that it ran."""
    ran.append("forbidden")
    return "the forbidden tool ran"


@server.tool()
def history() -> str:
    """Which tools ran, and which calls were left."""
    return " ".join(ran)


@server.tool()
async def slow(key: str, ctx: Context) -> str:
    """Report progress twice, and go on only when the caller says that it heard."""
    for step in (1, 2):
        await ctx.report_progress(step, 2)
        await heard[key].acquire()
    return "slow and steady"


@server.tool()
async def go_on(key: str) -> str:
    """Let `slow` go on."""
    heard[key].release()
    return "going on"


@server.tool()
async def wait(key: str, ctx: Context) -> str:
    """Report progress once, then wait until the caller has gone."""
    await ctx.report_progress(1, 2)
    try:
        await anyio.sleep_forever()
    finally:
        ran.append(f"left:{key}")


@server.tool()
async def ask(ctx: Context) -> str:
    """Ask the caller for a name."""
    given = await ctx.elicit("Who are you?", Answer)
    return f"hello {given.data.name}"


@server.tool()
async def ask_in_the_answer(ctx: Context) -> str | InputRequiredResult:
    """Ask the caller for a name, as modern servers do."""
    if ctx.input_responses:
        return f"hello {ctx.input_responses['who'].content['name']}"
    question = ElicitRequestFormParams(message="Who are you?", requested_schema=Answer.model_json_schema())
    return InputRequiredResult(input_requests={"who": ElicitRequest(params=question)})


names = {("sdk", "http"): "streamable-http"}
quiet = {"show_banner": False} if maker == "fastmcp" else {}
server.run(transport=names.get((maker, transport), transport), host="127.0.0.1", port=port, **quiet)
