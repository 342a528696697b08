// Pages about a server, calls, access, tokens and operations: what is looked at, and what is done there as people do it.
import { gateway, must } from "./browser.mjs";

/** A page, cookies, and what is opened on it, as in `looks.mjs`. */
export const PAGES = [
  ["server", "/servers/looks"], ["server-recipe", "/servers/looks", {}, ".recipes details:nth-of-type(2) summary"],
  ["server-tool", "/servers/looks", {}, ".offers summary >> nth=0"], ["server-hostile", "/servers/hostile"], ["server-off", "/servers/off"],
  ["server-gone", "/servers/gone"], ["server-week", "/servers/looks?span=7d"],
  ["usage", "/usage"], ["usage-by-tool", "/usage?by=tool&span=1h"], ["usage-nothing", "/usage?tool=nothing"], ["usage-refused", "/usage?status=x"],
  ["tokens", "/tokens"], ["tokens-everybody", "/tokens?user=*"],
  ["access", "/access"], ["scope", "/access/scopes/mcp-registry-admin"], ["new-scope", "/access/scopes"], ["group", "/access/groups/mcp-registry-admin"],
  ["explain", "/access/explain"], ["explained", "/access/explain?groups=mcp-registry-user&server=%2Flooks&method=tools%2Fcall&tool=x"],
  ["machines", "/access/machines"], ["keys", "/access/keys"], ["sessions", "/access/sessions"],
  ["operations", "/operations?span=1h"], ["nginx", "/operations/nginx"],
];

/** Calls of every kind, so that there is something to draw. */
export async function call(page) {
  await page.evaluate(async () => {
    const answer = await fetch("/api/tokens/generate", { method: "POST", headers: { "content-type": "application/json" }, body: "{}" });
    const { tokens } = await answer.json();
    const headers = { "X-Authorization": `Bearer ${tokens.access_token}`, "content-type": "application/json", accept: "application/json, text/event-stream" };
    for (const [path, name] of [["looks", "echo"], ["looks", "add"], ["hostile", "echo"], ["nothing", "x"]]) {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: { name, arguments: {} } });
      await fetch(`/${path}/mcp`, { method: "POST", headers, body });
    }
  });
  await page.waitForFunction(() => fetch("/api/calls").then((answer) => answer.json()).then(({ calls }) => calls.length >= 4), undefined, { polling: 500 });
}

/** A token is made, copied from the page, kept as a file, and revoked. */
export async function token(page, hasScript = true) {
  await page.goto(`${gateway}/tokens`);
  const words = hasScript ? "for a walk" : "without a script";
  await page.getByLabel("What it is for").fill(words);
  await page.getByLabel("1 h", { exact: true }).check();
  await page.getByRole("button", { name: "Make the token", exact: true }).click();
  const shown = await page.getByRole("textbox", { name: "Token", exact: true }).inputValue();
  must(shown.length > 100, "the token is shown");
  const waiting = page.waitForEvent("download");
  await page.getByRole("button", { name: /^Download/ }).click();
  const name = (await waiting).suggestedFilename();
  must(/^mcp-registry-api-tokens-\d{4}-\d\d-\d\d\.json$/.test(name), name);
  await page.goto(`${gateway}/tokens`);
  must(!(await page.content()).includes(shown), "the token is shown once");
  const row = page.getByRole("row", { name: words });
  await row.getByRole("button", { name: /^Revoke/ }).click();
  // It asks first: with a script a dialog, without one a page.
  const asking = hasScript ? page.getByRole("dialog") : page;
  if (!hasScript) await page.getByRole("heading", { name: "Revoke this token?" }).waitFor();
  await asking.getByRole("button", { name: "Revoke", exact: true }).click();
  await row.getByText("revoked", { exact: true }).waitFor();
}
