// The list of servers: live in every window, searched, sorted, kept as somebody likes it; and the tools that it opens.
import { fill, gateway, must, signedIn } from "./browser.mjs";
import { tools, upstream } from "./server.mjs";
import { becomes, browser, page, register, row, server } from "./steps.mjs";

export const DASHBOARD = {
  async "a tool is called with a form made from its schema"() {
    await row(page, "/walks").locator("[data-tools]").click();
    const dialog = page.getByRole("dialog");
    const tool = dialog.locator('[data-tool="add"]');
    await tool.locator("summary").first().click();
    must(await tool.locator("form label").first().textContent() === "b", "what is required is not first, in its own order");
    await tool.getByLabel(/^a/).fill("2");
    await tool.getByLabel(/^b/).fill("40");
    await tool.getByLabel(/^mood/).selectOption({ label: "glad" });
    await tool.getByRole("button", { name: "Call" }).click();
    await tool.locator(".answer pre").waitFor();
    must(await tool.locator(".answer pre").textContent() === "glad: 42", await tool.locator(".answer").textContent());
    must(/Answered, \d+ ms/.test(await tool.locator(".answer").textContent()), "no latency");
    // What may be null and is left empty is not sent; what is filled in is.
    await tool.getByLabel(/^note/).fill("x");
    await tool.getByLabel(/^times/).fill("3");
    await tool.getByRole("button", { name: "Call" }).click();
    await tool.locator(".answer pre", { hasText: 'glad: 42 "x" 3' }).waitFor();
    const fails = dialog.locator('[data-tool="fail"]');
    await fails.locator("summary").first().click();
    await fails.getByRole("button", { name: "Call" }).click();
    await fails.getByText("it cannot be done").waitFor();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
  },

  async "a schema that no form can be made of is asked for as JSON, and the name of an argument may be anything"() {
    const odd = await upstream();
    const names = Array.from({ length: 5_000 }, (_, at) => `n${at}`);
    const wide = { type: "object", ...Object.fromEntries(names.map((name) => [name, 1])) };
    const maybe = (name) => ({ anyOf: [{ $ref: `#/$defs/${name}` }, { type: "null" }] });
    const text = { type: "string" };
    odd.tools = Object.entries({
      circle: { $defs: { N: maybe("N") }, properties: { a: { $ref: "#/$defs/N" } } },
      ring: { $defs: { N: { $ref: "#/$defs/N" } }, properties: { a: { $ref: "#/$defs/N" } } },
      wide: { $defs: { W: wide }, properties: { a: maybe("W"), b: maybe("W") } },
      many: { properties: Object.fromEntries(names.map((name) => [name, text])), required: names.toReversed() },
      say: { properties: JSON.parse('{"__proto__": {"type": "string", "title": "proto"}, "long": {"type": "string", "maxLength": 3e9}}'), required: [...names, "long"] },
    }).map(([name, schema]) => ({ name, description: "Odd", inputSchema: { type: "object", ...schema } }));
    await register(page, "/odd", "Odd", (form) => form.fill("#proxy_pass_url", odd.url));
    await row(page, "/odd").locator("[data-tools]", { hasText: "5" }).click();
    const dialog = page.getByRole("dialog");
    const tool = (name) => dialog.locator(`[data-tool="${name}"]`);
    for (const name of ["circle", "ring", "wide", "many", "say"]) await tool(name).locator("summary").first().click();
    for (const name of ["circle", "ring", "wide", "many"]) await tool(name).getByLabel("Arguments as JSON").waitFor();
    await tool("say").getByLabel(/^proto/).fill("a");
    await tool("say").getByLabel(/^long/).fill("b");
    await tool("say").getByRole("button", { name: "Call" }).click();
    await tool("say").locator(".answer pre", { hasText: '{"long":"b","__proto__":"a"}' }).waitFor();
    await page.goto(gateway);
    await row(page, "/odd").getByTitle("Remove").click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await row(page, "/odd").waitFor({ state: "detached" });
    odd.end();
  },

  async "of many tools the dialog shows some, and leads to the others"() {
    const many = await upstream();
    many.tools = tools(120);
    await register(page, "/many", "Many", (form) => form.fill("#proxy_pass_url", many.url));
    await row(page, "/many").locator("[data-tools]", { hasText: "120" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("1–50 of 120").waitFor();
    must(await dialog.locator(".tool").count() === 50, "all of them are shown");
    must(await dialog.locator("[data-call] button").count() === 0, "forms are built that nobody has asked for");
    await dialog.getByRole("link", { name: "Next" }).click();
    await dialog.getByText("51–100 of 120").waitFor();
    const [at, top] = await dialog.evaluate((one) => [document.activeElement.id, one.scrollTop]);
    must(at === "tools-title" && top === 0, `the next page is read from #${at}, ${top} px down`);
    await dialog.locator('[data-tool="t050"] summary').first().click();
    await dialog.locator('[data-tool="t050"]').getByRole("button", { name: "Call" }).waitFor();
    await page.goto(`${gateway}/tools/many?tool=t119`);
    await page.locator('[data-tool="t119"][open]').getByRole("button", { name: "Call" }).waitFor();
    await page.goto(gateway);
    await row(page, "/many").getByTitle("Remove").click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await row(page, "/many").waitFor({ state: "detached" });
    many.end();
  },

  async "two windows: what one does, the other shows within a second"() {
    const other = await browser.newContext({ storageState: await page.context().storageState() }).then((context) => context.newPage());
    await other.goto(gateway);
    await other.locator("#feed", { hasText: "live" }).waitFor();
    await page.locator("#feed", { hasText: "live" }).waitFor();
    const switched = page.waitForResponse((response) => response.url().includes("/toggle/walks"));
    await row(page, "/walks").getByRole("switch").click();
    await switched;
    const began = performance.now();
    await becomes(other, "/walks", "Disabled");
    const took = performance.now() - began;
    must(took < 1000, `the other window took ${took} ms`);
    await other.goto(`${gateway}/tools/walks`);
    await other.getByText("its tools can be read, and not called").waitFor();
    must(await other.locator("[data-call]:visible").count() === 0, "there is a form");
    await other.goto(gateway);
    await row(other, "/walks").locator('[role=switch][aria-checked="false"]').click();
    await other.getByText("Walks at large is on").waitFor();
    await becomes(page, "/walks", "Healthy");
    await other.context().close();
  },

  async "a new name is seen in another window"() {
    const other = await browser.newContext({ storageState: await page.context().storageState() }).then((context) => context.newPage());
    await other.goto(gateway);
    await other.locator("#feed", { hasText: "live" }).waitFor();
    await page.goto(`${gateway}/edit/walks`);
    await page.fill("#name", "Walks under another name");
    await page.getByRole("button", { name: "Save" }).click();
    await row(page, "/walks").getByRole("link", { name: "Walks under another name", exact: true }).waitFor();
    // As when somebody turns to the window again.
    await other.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    await row(other, "/walks").getByRole("link", { name: "Walks under another name", exact: true }).waitFor();
    await other.context().close();
    await page.goto(gateway);
  },

  async "what happened while nobody listened is seen after that"() {
    const other = await browser.newContext({ storageState: await page.context().storageState() }).then((context) => context.newPage());
    let goOn;
    const registered = new Promise((resolve) => { goOn = resolve; });
    const sockets = [];
    await other.routeWebSocket(/health_status/, async (socket) => {
      sockets.push(socket);
      if (sockets.length > 1) await registered;
      socket.connectToServer();
    });
    await other.goto(gateway);
    await other.locator("#feed", { hasText: "live" }).waitFor();
    await sockets[0].close();
    await other.locator("#feed", { hasText: "offline" }).waitFor();
    await register(page, "/meanwhile", "Meanwhile");
    await row(page, "/meanwhile").waitFor();
    must(await row(other, "/meanwhile").count() === 0, "it was listening");
    goOn();
    await row(other, "/meanwhile").waitFor();
    await other.goto(`${gateway}/servers/meanwhile`);
    await other.locator("#feed", { hasText: "live" }).waitFor();
    await row(page, "/meanwhile").getByTitle("Remove").click();
    await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await row(page, "/meanwhile").waitFor({ state: "detached" });
    // Its own page, in the other window, says so.
    await other.getByText("There is nothing here").waitFor();
    await other.context().close();
    await page.goto(gateway);
  },

  async "a server that falls ill is seen within a second of the check, without a reload"() {
    await page.evaluate(() => { window.sameAsBefore = true; });
    // Its own page hears of it, too.
    const own = await page.context().newPage();
    await own.goto(`${gateway}/servers/walks`);
    await own.evaluate(() => { window.sameAsBefore = true; });
    const knows = async (word) => {
      const states = await page.evaluate(() => fetch("/api/servers/health").then((response) => response.json()));
      return states["/walks"].status.startsWith(word);
    };
    const took = [];
    // A machine may be busy once; a page that asks now and then is slow each time.
    while (!(took.at(-1) < 1000) && took.length < 3) {
      server.isIll = took.length % 2 === 0;
      const [told, shown] = server.isIll ? ["unhealthy", "Unhealthy"] : ["healthy", "Healthy"];
      while (!await knows(told)) await new Promise((resolve) => setTimeout(resolve, 20));
      const began = performance.now();
      await becomes(page, "/walks", shown);
      took.push(performance.now() - began);
    }
    must(took.at(-1) < 1000, `it took ${took} ms`);
    if (!server.isIll) {
      server.isIll = true;
      await becomes(page, "/walks", "Unhealthy");
    }
    must(await page.evaluate(() => window.sameAsBefore), "the page was loaded again");
    await page.locator(".tabs a", { hasText: "Issues" }).filter({ hasText: "1" }).waitFor();
    await own.locator("#live .state.bad", { hasText: "unhealthy" }).waitFor();
    // What is opened stays; a click somewhere holds nothing up.
    await own.locator("#health-part").getByText("In figures").first().click();
    await own.locator("#live h1").click();
    server.isIll = false;
    await own.locator("#live .state.good").waitFor();
    must(await own.locator("#health-part details[open]").count() === 1, "what was opened is closed");
    // What is selected stays as long as it is, though all else is renewed: here the figures, by whose time one can tell.
    await own.locator("#health-part details[open] > summary").click();
    await own.locator("#live h1").selectText();
    server.isIll = true;
    await becomes(page, "/walks", "Unhealthy");
    await own.evaluate(() => document.getElementById("figures").setAttribute("data-before", ""));
    await own.locator("#figures:not([data-before])").waitFor();
    must(await own.locator("#live .state.good").count() === 1, "what was selected is exchanged");
    must(await own.evaluate(() => getSelection().toString()) !== "", "the selection is lost");
    await own.evaluate(() => getSelection().removeAllRanges());
    await own.locator("#live .state.bad").waitFor();
    server.isIll = false;
    await own.locator("#live .state.good").waitFor();
    must(await own.evaluate(() => window.sameAsBefore), "its page was loaded again");
    await own.close();
  },

  async "it is checked by hand"() {
    const checked = page.waitForResponse((response) => response.url().includes("/api/refresh/walks"));
    await row(page, "/walks").getByTitle("Check now").click();
    must((await checked).ok(), "the check was refused");
    await becomes(page, "/walks", "Healthy");
  },

  async "words are looked for as they are typed, filters count, and both stand in the address"() {
    await register(page, "/second", "Second");
    await row(page, "/second").waitFor();
    await page.fill("#q", "walks beta");
    await row(page, "/second").waitFor({ state: "detached" });
    must(await row(page, "/walks").count() === 1, "the search lost what it should find");
    await page.waitForURL(/q=walks/);
    await page.locator(".tabs a", { hasText: "Disabled" }).click();
    await page.locator("#list").getByText("Nothing fits").waitFor();
    await page.waitForURL(/show=disabled/);
    await page.goto(gateway);
    await page.keyboard.press("/");
    must(await page.evaluate(() => document.activeElement.id) === "q", "`/` does not lead to the search");
  },

  async "servers are sorted by a column, either way round, and the words that are looked for stay"() {
    await page.goto(gateway);
    const names = () => page.locator("table.servers .c-name > a").allInnerTexts();
    const [first] = await names();
    const column = page.locator("th", { has: page.locator("#sort-name") });
    await page.locator("#sort-name").click();
    await page.locator('th[aria-sort="descending"]').waitFor();
    must((await names()).at(-1) === first, `${await names()}`);
    await page.waitForURL(/sort=-name/);
    must(await column.getAttribute("aria-sort") === "descending", "the column does not say so");
    await page.fill("#q", "beta");
    await row(page, "/second").waitFor({ state: "detached" });
    must(/sort=-name/.test(page.url()) && /q=beta/.test(page.url()), page.url());
    await page.setViewportSize({ width: 360, height: 740 });
    await page.fill("#q", "");
    await row(page, "/second").waitFor();
    await page.locator("details.order > summary").click();
    await page.locator("#by-tools").click();
    await page.waitForURL(/sort=tools/);
    must((await names())[0] === "MCP Gateway Tools", `${await names()}`);
    await page.setViewportSize({ width: 1280, height: 800 });
  },

  async "what is shown is what was typed last, however late an answer to older words comes"() {
    await page.goto(gateway);
    let [hasCome, goOn] = [];
    const come = new Promise((resolve) => { hasCome = resolve; });
    const going = new Promise((resolve) => { goOn = resolve; });
    await page.route("**/?q=walks*", async (route) => {
      hasCome();
      await going;
      await route.continue().catch(() => {});
    });
    await page.fill("#q", "walks");
    await come;
    await page.fill("#q", "second");
    await row(page, "/walks").waitFor({ state: "detached" });
    must(await row(page, "/second").count() === 1, "other words were looked for");
    goOn();
    await page.unroute("**/?q=walks*");
  },

  async "the keyboard keeps its place, and a step back stays live"() {
    await page.goto(gateway);
    await page.locator("#feed", { hasText: "live" }).waitFor();
    await page.locator("#tab-enabled").focus();
    await page.keyboard.press("Enter");
    await page.locator("#tab-enabled[aria-current]").waitFor();
    await page.waitForFunction(() => document.activeElement.id === "tab-enabled");
    await page.evaluate(() => history.back());
    await page.locator("#tab-all[aria-current]").waitFor();
    await page.locator("#feed", { hasText: "live" }).waitFor();
  },

  async "what no word says is found by its meaning, below, and leads to where it is called"() {
    await page.goto(gateway);
    await page.fill("#q", "sum of two numbers in a mood");
    await page.locator("#list").getByText("Nothing fits").waitFor();
    await page.locator("#meaning li", { hasText: "add" }).first().waitFor();
    await page.goto(`${gateway}/tools`);
    await page.fill("#q", "sum of two numbers in a mood");
    await page.locator("#meaning li", { hasText: "add" }).filter({ hasText: "Walks under another name" }).first().waitFor();
    await page.locator("#meaning a", { hasText: /^add$/ }).first().click();
    await page.locator('[data-tool="add"][open]').getByRole("button", { name: "Call" }).waitFor();
    await page.goto(gateway);
  },

  async "a registration is sent once, and says that it is under way"() {
    let [sent, late, goOn] = [0, 0];
    const going = new Promise((resolve) => { goOn = resolve; });
    const counted = async (route) => {
      if (route.request().method() === "POST") {
        sent += 1;
        await going;
      }
      await route.continue();
    };
    // While a page is on its way nothing can be asked of the one before it, so that one tells by itself.
    const hears = (message) => {
      if (message.text() === "pressed" && sent > 0 && ++late === 5) goOn();
    };
    await page.goto(`${gateway}/register`);
    await fill(page, { name: "Once", path: "/once", proxy_pass_url: server.url, description: "Registered once" });
    await page.route("**/register", counted);
    page.on("console", hears);
    await page.evaluate(() => {
      const button = document.querySelector("#server-form .endbar button");
      const said = () => sessionStorage.setItem("said", button.textContent);
      new MutationObserver(said).observe(button, { childList: true });
      setInterval(() => {
        button.click();
        console.log("pressed");
      }, 20);
    });
    await row(page, "/once").waitFor();
    must(sent === 1, `it was sent ${sent} times`);
    const said = await page.evaluate(() => sessionStorage.getItem("said"));
    must(said === "Checking…", `the button said ${said}`);
    page.off("console", hears);
    await page.unroute("**/register", counted);
  },

  async "the tools of a server say what went wrong, or ask for the sign-in"() {
    const leaving = await signedIn(browser);
    const broken = (route) => route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify({ detail: "not now" }) });
    await leaving.route("**/tools/walks", broken);
    await row(leaving, "/walks").locator("[data-tools]").click();
    await leaving.locator(".toast.bad", { hasText: "not now" }).waitFor();
    await leaving.unroute("**/tools/walks", broken);
    await leaving.context().clearCookies();
    await row(leaving, "/walks").locator("[data-tools]").click();
    await leaving.waitForURL(/\/login/);
    await leaving.context().close();
  },

  async "stars, source and the last check are seen on a phone, and the source on a card"() {
    await page.goto(gateway);
    await page.setViewportSize({ width: 360, height: 740 });
    const more = row(page, "/walks").locator(".c-more");
    must(/by admin/.test(await more.innerText()) && /5/.test(await more.innerText()), await more.innerText());
    must(await row(page, "/walks").locator(".c-checked time").isVisible(), "the last check is not shown");
    await page.setViewportSize({ width: 1280, height: 800 });
    must(await more.isHidden(), "it is said twice");
    await page.getByRole("button", { name: "Cards" }).click();
    await page.locator("ul.cards").waitFor();
    must(/by admin/.test(await row(page, "/walks").innerText()), "a card has no source");
    await page.getByRole("button", { name: "Table" }).click();
    await page.locator("table.servers").waitFor();
  },

  async "cards or a table, folded or not, dark or light: kept"() {
    await page.goto(gateway);
    await page.getByRole("button", { name: "Cards" }).click();
    await page.locator("ul.cards").waitFor();
    await page.getByRole("button", { name: "Fold" }).click();
    await page.locator("details.user summary").click();
    await page.getByRole("button", { name: "Dark" }).click();
    await page.reload();
    must(await page.locator("ul.cards").count() === 1, "the cards are gone");
    const kept = await page.evaluate(() => ({ ...document.documentElement.dataset }));
    must(kept.theme === "dark" && kept.sidebar === "closed", JSON.stringify(kept));
    await page.getByRole("button", { name: "Table" }).click();
    await page.locator("table.servers").waitFor();
  },
};
