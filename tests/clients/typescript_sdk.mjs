// The TypeScript SDK, both generations of it, against the servers behind the gateway, as a user of it would, or against
// those that serve one client at a time. Run in the folder that holds node_modules.
// Usage: TOKEN=… typescript_sdk.mjs BASE [alone]
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const v1 = {
  ...require("@modelcontextprotocol/sdk/client/index.js"),
  ...require("@modelcontextprotocol/sdk/client/streamableHttp.js"),
  ...require("@modelcontextprotocol/sdk/client/sse.js"),
};
const v2 = require("@modelcontextprotocol/client");
const [base, which] = process.argv.slice(2);
const calls = JSON.parse(readFileSync(new URL("calls.json", import.meta.url)))
  .filter(({ alone = false }) => alone === (which === "alone"));
const requestInit = { headers: { Authorization: `Bearer ${process.env.TOKEN}` } };
const kinds = [
  ["v1", v1, {}],
  ["v2", v2, {}],
  ["v2 auto", v2, { versionNegotiation: { mode: "auto" } }],
];

async function connected(sdk, options, { mount, door }, use) {
  const client = new sdk.Client({ name: "gatehouse-test", version: "1" }, options);
  const Transport = door === "sse" ? sdk.SSEClientTransport : sdk.StreamableHTTPClientTransport;
  const transport = new Transport(new URL(`${base}/${mount}/${door}`), { requestInit });
  let version;
  transport.setProtocolVersion = ((set) => (said) => { version = said; set?.call(transport, said); })(transport.setProtocolVersion);
  await client.connect(transport);
  try {
    return await use(client, () => (version >= "2026-07-28" ? "modern" : "legacy"));
  } finally {
    await client.close();
  }
}

async function listsAndCalls(label, sdk, options, call) {
  return connected(sdk, options, call, async (client, era) => {
    const { tools } = await client.listTools();
    if (!tools.some(({ name }) => name === call.tool)) throw new Error(`${call.mount}: ${JSON.stringify(tools)}`);
    const answer = await client.callTool({ name: call.tool, arguments: call.arguments });
    if (answer.isError || !answer.content[0].text.includes(call.says)) throw new Error(JSON.stringify(answer));
    return `${call.mount} ${label}: ${era()}`;
  });
}

// The server waits for our word after each progress, so it must come while the call is under way.
async function hearsProgress(call) {
  const args = { key: randomUUID() };
  return connected(v1, {}, call, async (client) => {
    const heard = [], going = [];
    const onprogress = ({ progress }) => {
      heard.push(progress);
      going.push(client.callTool({ name: "go_on", arguments: args }));
    };
    await client.callTool({ name: "slow", arguments: args }, undefined, { onprogress });
    await Promise.all(going);
    if (heard.join() !== "1,2") throw new Error(`${call.mount}: progress ${heard}`);
    return `${call.mount} v1: progress`;
  });
}

const work = [];
for (const call of calls) {
  for (const [label, sdk, options] of kinds) {
    // The second generation has no client for HTTP+SSE.
    if (call.door === "mcp" || sdk === v1) work.push(listsAndCalls(label, sdk, options, call));
  }
  if (call.tool === "add") work.push(hearsProgress(call));
}
for (const line of await Promise.all(work)) console.log(line);
