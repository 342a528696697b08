// List and call tools through the gateway with the TypeScript SDK, both generations of it, as a user of it would.
// Run in the folder that holds node_modules. Usage: TOKEN=… typescript_sdk.mjs BASE
import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const v1 = {
  ...require("@modelcontextprotocol/sdk/client/index.js"),
  ...require("@modelcontextprotocol/sdk/client/streamableHttp.js"),
};
const v2 = require("@modelcontextprotocol/client");
const base = process.argv[2];
const requestInit = { headers: { Authorization: `Bearer ${process.env.TOKEN}` } };

async function talk(sdk, options, path, name, args) {
  const client = new sdk.Client({ name: "gatehouse-test", version: "1" }, options);
  await client.connect(new sdk.StreamableHTTPClientTransport(new URL(`${base}/${path}/mcp`), { requestInit }));
  try {
    const { tools } = await client.listTools();
    const answer = await client.callTool({ name, arguments: args });
    if (answer.isError) throw new Error(JSON.stringify(answer));
    return [tools.length, answer.content[0].text];
  } finally {
    await client.close();
  }
}

for (const [label, sdk, options] of [
  ["v1", v1, {}],
  ["v2", v2, {}],
  ["v2 auto", v2, { versionNegotiation: { mode: "auto" } }],
]) {
  const [count, text] = await talk(sdk, options, "realserverfaketools", "quantum_flux_analyzer", { energy_level: 3 });
  if (!text.includes('"stable":true')) throw new Error(text);
  console.log(`realserverfaketools ${label}: ${count} tools`);
  const [, echo] = await talk(sdk, options, "everything", "echo", { message: "hello" });
  if (!echo.includes("hello")) throw new Error(echo);
  console.log(`everything ${label}: echo`);
}
