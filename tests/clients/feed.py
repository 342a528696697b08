"""Listen as the guide of the API shows it, until a service has the status that is waited for.
Usage: feed.py URI PATH STATUS; prints a line a service, as the example does."""
import asyncio
import json
import sys

import websockets

uri, wanted, status = sys.argv[1:]


async def health_status_monitor():
    async with websockets.connect(uri) as websocket:
        print("connected", flush=True)
        while True:
            for path, info in json.loads(await websocket.recv()).items():
                print(path, info["status"], info["last_checked_iso"], info["num_tools"], flush=True)
                if (path, info["status"]) == (wanted, status):
                    return


asyncio.run(health_status_monitor())
