"""What an nginx configuration holds, as crossplane reads it. Usage: nginx_file.py FILE"""

import json
import sys

import crossplane

parsed = crossplane.parse(sys.argv[1], comments=False)
assert parsed["status"] == "ok", parsed["errors"]
top = parsed["config"][0]["parsed"]
http = next(line["block"] for line in top if line["directive"] == "http")
servers = [line["block"] for line in http if line["directive"] == "server"]
print(json.dumps({
    "directives": [line["directive"] for line in top],
    "upstreams": {
        line["args"][0]: [server["args"][0] for server in line["block"] if server["directive"] == "server"]
        for line in http if line["directive"] == "upstream"
    },
    "listens": [line["args"][0] for block in servers for line in block if line["directive"] == "listen"],
    "locations": [" ".join(line["args"]) for block in servers for line in block if line["directive"] == "location"],
}))
