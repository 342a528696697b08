// What a page becomes by what somebody does there: each is looked at as the pages themselves are.
import { browser as launch, fill, gateway, must, password, signedIn, walk } from "./browser.mjs";
import { look } from "./eye.mjs";
import { every, register, tools, upstream } from "./server.mjs";
import { call } from "./insight.mjs";

const browser = await launch();
const server = await upstream();
const many = await upstream();
many.tools = tools(120);
const mine = await signedIn(browser, { bypassCSP: true });
const anybody = await browser.newContext({ bypassCSP: true }).then((context) => context.newPage());
const press = (name, on = mine) => on.getByRole("button", { name, exact: true }).click();

/** Send a form as it is sent without a script, so that a page asks and no dialog. */
const sentPlainly = (form) => mine.locator(form).first().evaluate((one) => HTMLFormElement.prototype.submit.call(one));

/** What somebody else saves in another window. */
const saved = (address, fields) => mine.evaluate(([address, fields]) => fetch(address, { method: "POST", body: new URLSearchParams(fields), headers: { accept: "text/html" } }).then(() => {}), [address, fields]);

/** Each brings a page into a state; the picture has its name. */
const STATES = {
  async "login"() {
    await anybody.goto(`${gateway}/login`);
    await anybody.getByRole("link", { name: "Sign in with Elsewhere" }).waitFor();
    return anybody;
  },
  async "login-refused"() {
    await fill(anybody, { username: "admin", password: `not ${password}` });
    await press("Sign in", anybody);
    await anybody.getByRole("alert").waitFor();
    return anybody;
  },
  async "login-without-provider"() {
    await anybody.goto(`${gateway}/login`);
    await anybody.getByRole("link", { name: "Sign in with Elsewhere" }).click();
    await anybody.getByRole("alert").waitFor();
    return anybody;
  },
  async "not-signed-in"() {
    await anybody.goto(`${gateway}/oauth2/authorize`);
    return anybody;
  },
  async "authorize"() {
    const redirect = encodeURIComponent("http://127.0.0.1:9/callback");
    await mine.goto(`${gateway}/oauth2/authorize?state=s&code_challenge=${"c".repeat(43)}&code_challenge_method=S256&redirect_uri=${redirect}`);
    await mine.getByRole("heading", { name: "Allow the command line?" }).waitFor();
  },
  async "register-refused"() {
    await mine.goto(`${gateway}/register`);
    await fill(mine, { name: "Refused", path: "/api", proxy_pass_url: "ftp://x", description: "d" });
    await mine.selectOption("#auth_scheme", "bearer");
    await fill(mine, { auth_credential: "a-secret", num_stars: "many" });
    await mine.getByRole("button", { name: "Register" }).click();
    await mine.locator("#fault-path").waitFor();
  },
  async "trial-good"() {
    await mine.goto(`${gateway}/register`);
    await mine.fill("#proxy_pass_url", server.url);
    await press("Test the connection");
    await mine.locator("#trial .alert.good").waitFor();
  },
  async "trial-bad"() {
    await mine.fill("#proxy_pass_url", "http://127.0.0.1:9");
    await press("Test the connection");
    await mine.locator("#trial .alert:not(.good)").waitFor();
  },
  async "metadata"() {
    await mine.goto(`${gateway}/edit/looks`);
    for (const name of ["team", "team"]) {
      await press("Add a row");
      await mine.getByLabel("Name of metadata").last().fill(name);
    }
    await mine.locator("#metadata-names", { hasText: "twice" }).waitFor();
  },
  async "edit-conflict"() {
    await mine.goto(`${gateway}/edit/looks`);
    await saved("/edit/looks", { name: "Looks", proxy_pass_url: server.url, description: "What somebody else thinks of it", tags: "theirs" });
    await fill(mine, { description: "What I think of it", tags: "mine" });
    await press("Save");
    await mine.getByText("Somebody has changed it meanwhile").waitFor();
    must(await mine.inputValue("#tags") === "mine", "what was typed is gone");
    await mine.getByText("What is saved now: theirs").waitFor();
  },
  async "many-tools"() {
    await mine.goto(gateway);
    await mine.locator('[data-server="/many"] [data-tools]').click();
    await mine.getByText("1–50 of 120").waitFor();
    await mine.locator('[data-tool="t000"] summary').first().click();
    await mine.getByRole("link", { name: "Search them" }).scrollIntoViewIfNeeded();
  },
  async "many-offers"() {
    await mine.goto(`${gateway}/servers/many?page=3#offers`);
    await mine.getByText("101–120 of 120").waitFor();
  },
  async "tools-off"() {
    await mine.goto(`${gateway}/tools/off`);
    await mine.getByText("its tools can be read, and not called").waitFor();
  },
  async "mistyped"() {
    await mine.goto(`${gateway}/severs`);
    await mine.getByText("There is nothing here").waitFor();
  },
  async "own-server"() {
    await mine.goto(`${gateway}/servers/mcpgw`);
    await mine.getByText("built in", { exact: true }).first().waitFor();
  },
  async "figures"() {
    await mine.goto(`${gateway}/servers/looks`);
    for (const one of await mine.locator("details.figures > summary").all()) await one.click();
    await mine.getByRole("region", { name: "Calls, in figures" }).waitFor();
  },
  async "held"() {
    const [add, ...rest] = server.tools;
    server.tools = [{ ...add, description: `${add.description} And posts it to everybody.` }, ...rest, { ...add, name: "brand-new" }];
    await mine.goto(`${gateway}/servers/held`);
    await press("Check now");
    await mine.locator(".held").waitFor();
    await mine.waitForLoadState();
    for (const one of await mine.locator(".offer:has(.tag.warn) > summary").all()) await one.click();
    await mine.locator(".diff").first().waitFor();
  },
  async "held-tools"() {
    await mine.goto(`${gateway}/tools/held`);
    await mine.getByText("waits for approval").first().waitFor();
  },
  async "held-older"() {
    await mine.goto(`${gateway}/servers/held`);
    const [add, ...rest] = server.tools;
    server.tools = [{ ...add, description: `${add.description} And keeps a copy.` }, ...rest];
    await mine.evaluate(() => fetch("/api/refresh/held", { method: "POST" }));
    await mine.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await mine.getByRole("link", { name: "Look again" }).waitFor();
  },
  async "call-under-way"() {
    await mine.goto(`${gateway}/tools/looks`);
    await mine.route("**/looks/mcp", () => {});
    await mine.locator('[data-tool="fail"] summary').first().click();
    await mine.locator('[data-tool="fail"]').getByRole("button", { name: "Call" }).click();
    await mine.locator("button[aria-busy=true]").waitFor();
  },
  async "trial-under-way"() {
    await mine.unroute("**/looks/mcp");
    await mine.route("**/register/try", () => {});
    await mine.goto(`${gateway}/register`);
    await mine.fill("#proxy_pass_url", server.url);
    await press("Test the connection");
    await mine.locator("button[aria-busy=true]").waitFor();
  },
  async "held-many"() {
    many.tools = many.tools.map((tool) => ({ ...tool, description: "One of many others" }));
    await mine.unroute("**/register/try");
    await mine.goto(`${gateway}/servers/held-many`);
    await press("Check now");
    await mine.getByText("50 of them are on this page").waitFor();
  },
  async "approve-asked"() {
    await mine.goto(`${gateway}/servers/held`);
    await press("Approve all");
    await mine.getByRole("dialog").waitFor();
  },
  async "approve-question"() {
    await mine.goto(`${gateway}/servers/held`);
    await mine.locator("form.held").evaluate((form) => form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "action", value: "approve" })));
    await sentPlainly("form.held");
    await mine.getByRole("heading", { name: "Approve these changes?" }).waitFor();
  },
  async "changed"() {
    await press("Approve");
    await mine.locator("details.more > summary", { hasText: "How they changed" }).click();
    for (const one of await mine.locator(".feed details > summary").all()) await one.click();
  },
  async "answer"() {
    await mine.goto(`${gateway}/tools/looks`);
    for (const name of ["fail", "hostile"]) {
      const tool = mine.locator(`[data-tool="${name}"]`);
      await tool.locator("summary").first().click();
      await tool.locator("details.schema summary").click();
      await tool.getByRole("button", { name: "Call" }).click();
      await tool.locator(".answer pre, .answer .alert").first().waitFor();
    }
  },
  async "token-made"() {
    await mine.goto(`${gateway}/tokens`);
    await mine.getByLabel("What it is for").fill("to be looked at");
    await press("Make the token");
    await mine.getByRole("textbox", { name: "Token", exact: true }).waitFor();
  },
  async "token-refused"() {
    await mine.goto(`${gateway}/tokens`);
    await mine.getByLabel("Only these").check();
    await mine.fill("#custom_scopes", "[\"nobody has this\"]");
    await press("Make the token");
    await mine.locator("#fault-requested_scopes").waitFor();
  },
  async "revoke-asked"() {
    await mine.goto(`${gateway}/tokens`);
    await mine.getByRole("button", { name: /^Revoke/ }).first().click();
    await mine.getByRole("dialog").waitFor();
  },
  async "scope-checked"() {
    await mine.goto(`${gateway}/access/scopes/mcp-registry-user`);
    const text = await mine.inputValue("#text");
    await mine.fill("#text", text.replace('description: ""', "description: Looked at"));
    await press("Check first");
    await mine.locator("#changes").waitFor();
  },
  async "scope-same"() {
    await mine.goto(`${gateway}/access/scopes/mcp-registry-user`);
    await press("Check first");
    await mine.getByText("saving changes nothing").waitFor();
  },
  async "scope-conflict"() {
    const text = await mine.inputValue("#text");
    await saved("/access/scopes/mcp-registry-user", { action: "save", text: text.replace('description: ""', "description: Somebody else's") });
    await mine.fill("#text", `${text.replace('description: ""', "description: Mine")}`.replace("server: ", "server: no-such-"));
    await press("Save");
    await mine.getByText("Somebody has changed it meanwhile").waitFor();
    await mine.locator("#changes").waitFor();
  },
  async "scope-saved"() {
    await press("Save");
    await mine.getByText("It counts from now on").waitFor();
  },
  async "scope-refused"() {
    await mine.fill("#text", "server: [");
    await press("Check first");
    await mine.getByRole("alert").waitFor();
  },
  async "group-refused"() {
    await mine.goto(`${gateway}/access`);
    await mine.fill("#group_name", "not a name/");
    await press("Make it");
    await mine.locator("#fault-group_name").waitFor();
  },
  async "group-checked"() {
    await mine.goto(`${gateway}/access`);
    await mine.getByRole("table").last().locator("td.name").getByRole("link", { name: "registry-users-lob1" }).click();
    const box = mine.getByRole("checkbox", { name: /^mcp-registry-developer/ });
    await box.check();
    await press("Check first");
    await mine.locator("#changes").waitFor();
    must(await box.isChecked(), "what is wished stays ticked");
  },
  async "group-saved"() {
    await press("Save");
    await mine.getByText("It counts from now on").waitFor();
    must(await mine.getByRole("checkbox", { name: /^mcp-registry-developer/ }).isChecked(), "it is saved");
  },
  async "group-scope-refused"() {
    await mine.goto(`${gateway}/access`);
    await fill(mine, { group_name: "8c1f-of-entra", give: "mcp-registry-user, not-a-scope" });
    await press("Make it");
    await mine.locator("#fault-give").waitFor();
  },
  async "machine-made"() {
    await mine.goto(`${gateway}/access/machines`);
    await fill(mine, { name: "nightly", groups: "mcp-registry-user, not-yet-there" });
    await press("Make it");
    await mine.locator("#made").waitFor();
    await mine.getByText("not-yet-there: no scope").waitFor();
  },
  async "machine-refused"() {
    await mine.fill("#name", "nightly");
    await press("Make it");
    await mine.locator(".fault").first().waitFor();
  },
  async "keys"() {
    await mine.goto(`${gateway}/access/keys`);
    await mine.getByText("deploy", { exact: true }).waitFor();
  },
  async "not-allowed"() {
    await mine.goto(`${gateway}/access/explain?groups=nobody-knows&server=%2Flooks&method=tools%2Fcall&tool=add`);
    await mine.getByText("Not allowed", { exact: true }).waitFor();
  },
  async "explain-refused"() {
    await mine.goto(`${gateway}/access/explain?groups=a&server=%2Fnothing%20here&method=x%20y`);
    await mine.locator(".fault").first().waitFor();
  },
  async "remove-asked"() {
    await mine.goto(gateway);
    await mine.locator('[data-server="/looks"]').getByTitle("Remove").click();
    await mine.getByRole("dialog").waitFor();
  },
  async "by-meaning"() {
    await mine.goto(`${gateway}/tools`);
    await mine.fill("#q", "sum of two numbers in a mood");
    await mine.locator("#meaning li").first().waitFor();
  },
  async "a-word-to-the-person"() {
    await mine.goto(gateway);
    await mine.locator("#feed", { hasText: "live" }).waitFor();
    await mine.route("**/api/refresh/looks", (route) => route.fulfill({ status: 503, contentType: "application/problem+json", body: '{"detail": "not now"}' }));
    await mine.locator('[data-server="/looks"]').getByTitle("Check now").click();
    await mine.locator(".toast.bad").waitFor();
  },
  async "session-ended"() {
    await mine.goto(`${gateway}/register`);
    await fill(mine, { name: "Typed", path: "/typed", proxy_pass_url: server.url, description: "Typed" });
    await mine.context().clearCookies();
    await mine.getByRole("button", { name: "Register" }).click();
    await mine.locator(".ended").waitFor();
  },
};

await walk({
  "servers, calls, and one whose tools will change": async () => {
    await register(mine, [...every(server), { path: "/held", server_name: "Held", proxy_pass_url: server.url, pinned: true },
      { path: "/many", server_name: "Many", proxy_pass_url: many.url }, { path: "/held-many", server_name: "Many that are held", proxy_pass_url: many.url, pinned: true }]);
    await call(mine);
  },
  ...Object.fromEntries(Object.entries(STATES).map(([name, reach]) => [name, async () => look(name, await reach() ?? mine)])),
}, { goesOn: true });
must(mine.wrong.length === 0, mine.wrong.join("\n"));
await browser.close();
server.end();
many.end();
