// An MCP server that the walks put behind the gateway: it can fall ill, and its words can be hostile.
import { createServer } from "node:http";
import { must } from "./browser.mjs";

/** Markup, a turn of the reading direction, and ten thousand characters without a space. */
export const HOSTILE = `</td><script>document.title = "taken over"</script>"'&\u202Eerehwesle ot sdrow eseht ${"x".repeat(10_000)}`;

const TOOLS = [
  {
    name: "add", description: "Adds two numbers and says it in a mood.",
    inputSchema: {
      type: "object", required: ["b", "a"], $defs: { Mood: { type: "string", enum: ["glad", "sad"] } },
      properties: { a: { type: "number", description: "The first" }, b: { type: "integer" }, mood: { anyOf: [{ $ref: "#/$defs/Mood" }, { type: "null" }], default: null }, loud: { type: "boolean" }, more: { type: "object" },
        // As the Python SDK writes what may be left out.
        note: { anyOf: [{ type: "string" }, { type: "null" }], default: null }, times: { type: ["integer", "null"], default: null, title: "times" },
      },
    },
  },
  { name: "fail", description: "Fails.", inputSchema: { type: "object", properties: {} } },
  { name: "hostile", title: HOSTILE, description: HOSTILE, inputSchema: { type: "object", properties: { text: { type: "string", description: HOSTILE, title: HOSTILE } } } },
];

function result({ method, params }, tools) {
  if (method === "initialize") return { protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo: { name: "walks", version: "1.2" } };
  if (method === "tools/list") return { tools };
  if (method !== "tools/call") return null;
  const { a, b, mood, note, times } = params.arguments;
  const more = [note, times].filter((one) => one !== undefined).map((one) => ` ${JSON.stringify(one)}`).join("");
  if (params.name === "add") return { content: [{ type: "text", text: `${mood ?? "plain"}: ${a + b}${more}` }] };
  if (params.name === "say") return { content: [{ type: "text", text: JSON.stringify(params.arguments) }] };
  if (params.name === "fail") return { isError: true, content: [null, 5, { type: "text", text: "it cannot be done" }] };
  return { content: [{ type: "text", text: HOSTILE }] };
}

export async function upstream() {
  const state = { isIll: false, tools: TOOLS, refuses: null };
  const server = createServer(async (request, response) => {
    let text = "";
    for await (const piece of request) text += piece;
    if (state.isIll || request.method !== "POST") return response.writeHead(state.isIll ? 500 : 405).end();
    const message = JSON.parse(text);
    if (message.id === undefined) return response.writeHead(202).end();
    const said = state.refuses ? null : result(message, state.tools);
    const answer = said ? { result: said } : { error: { code: -32601, message: state.refuses ?? "no such method" } };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ jsonrpc: "2.0", id: message.id, ...answer }));
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  state.url = `http://127.0.0.1:${server.address().port}`;
  state.end = () => {
    server.closeAllConnections();
    server.close();
  };
  return state;
}

/** Tools without arguments, so many. */
export function tools(count) {
  return Array.from({ length: count }, (_, at) => ({
    name: `t${String(at).padStart(3, "0")}`, description: "One of many", inputSchema: { type: "object", properties: {} },
  }));
}

/** So many servers, of every kind there is, with `server` behind most of them. */
export function every(server) {
  return [
    { path: "/looks", server_name: "Looks", proxy_pass_url: server.url, tags: "alpha, beta, gamma, delta", num_stars: 4 },
    { path: "/hostile", server_name: HOSTILE.slice(0, 190), proxy_pass_url: server.url, description: HOSTILE.slice(0, 4000), tags: HOSTILE.slice(0, 60) },
    { path: "/gone", server_name: "Gone", proxy_pass_url: "http://127.0.0.1:9" },
    { path: "/nowhere", server_name: "Nowhere", proxy_pass_url: "http://nothing.invalid" },
    { path: "/off", server_name: "Off", proxy_pass_url: server.url, enabled: false },
  ];
}

/** Register them as `page` may; those that are not `enabled` are switched off. */
export async function register(page, servers) {
  for (const { enabled = true, ...one } of servers) {
    const status = await page.evaluate((body) => fetch("/api/management/servers", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ description: "A server to look at", wait: 5, ...body }),
    }).then((response) => response.status), one);
    must(status === 201, `${one.path}: ${status}`);
    if (!enabled) await page.evaluate((path) => fetch(`/toggle${path}`, { method: "POST", body: new URLSearchParams({ wait: "0" }) }), one.path);
  }
}
