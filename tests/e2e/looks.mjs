// Every page in both themes, wide and narrow: nothing that axe-core finds, nothing that scrolls sideways, and a picture.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { browser as launch, gateway, must, signedIn, walk, wish } from "./browser.mjs";
import { HOSTILE, upstream } from "./server.mjs";
import { PAGES as INSIGHT, call } from "./insight.mjs";

const axe = readFileSync(createRequire(`${process.cwd()}/`).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const SIZES = [[1280, 800], [360, 740]];
/** A page, and what is opened on it. */
const PAGES = [
  ["servers", "/"], ["cards", "/", { view: "cards" }], ["folded", "/", { sidebar: "closed" }], ["issues", "/?show=issues"],
  ["nothing-fits", "/?q=nothing-has-these-words"], ["dialog", "/", {}, "a[data-tools] >> nth=0"], ["menu", "/remove/looks", {}, "details.user summary"],
  ["register", "/register"], ["edit", "/edit/looks"], ["server-tools", "/tools/looks"], ["tools", "/tools"], ["remove", "/remove/looks"],
  ["no-such-page", "/edit/nothing"], ["saved", "/?saved=%2Flooks"],
];

mkdirSync(wish.pictures, { recursive: true });
const browser = await launch();
const server = await upstream();
// The checker is put into the page, which our policy forbids to anybody else.
const mine = await signedIn(browser, { bypassCSP: true });

async function look(name, path, cookies = {}, opened, page = mine) {
  for (const theme of ["light", "dark"]) {
    for (const [width, height] of SIZES) {
      await page.context().addCookies(Object.entries({ theme, view: "table", sidebar: "open", ...cookies })
        .map(([key, value]) => ({ name: `gatehouse_${key}`, value, url: gateway })));
      await page.setViewportSize({ width, height });
      await page.goto(gateway + path);
      if (opened) await page.locator(opened).click();
      if (opened?.includes("data-tools")) await page.getByRole("dialog").locator("summary").first().click();
      await page.screenshot({ path: `${wish.pictures}/${name}.${theme}.${width}.png` });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      must(wide <= 0, `${name}, ${theme}, ${width}: scrolls sideways by ${wide}`);
      await page.evaluate(axe);
      const { violations } = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: "tag", values } }), RULES);
      const found = violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html, any }) => `${html.slice(0, 200)} ${any[0]?.message ?? ""}`).join(" | ")}`);
      must(found.length === 0, `${name}, ${theme}, ${width}:\n${found.join("\n")}`);
    }
  }
}

/** Somebody who may see nothing, known by a token. */
async function stranger() {
  const extraHTTPHeaders = { authorization: `Bearer ${wish.nobody}` };
  return browser.newContext({ bypassCSP: true, extraHTTPHeaders }).then((context) => context.newPage());
}

/** So many servers, of every kind there is. */
async function fill() {
  const servers = [
    { path: "/looks", server_name: "Looks", proxy_pass_url: server.url, tags: "alpha, beta, gamma, delta", num_stars: 4 },
    { path: "/hostile", server_name: HOSTILE.slice(0, 190), proxy_pass_url: server.url, description: HOSTILE.slice(0, 4000), tags: HOSTILE.slice(0, 60) },
    { path: "/gone", server_name: "Gone", proxy_pass_url: "http://127.0.0.1:9" },
    { path: "/nowhere", server_name: "Nowhere", proxy_pass_url: "http://nothing.invalid" },
    { path: "/off", server_name: "Off", proxy_pass_url: server.url },
  ];
  for (const one of servers) {
    const status = await mine.evaluate((body) => fetch("/api/management/servers", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ description: "A server to look at", wait: 5, ...body }),
    }).then((response) => response.status), one);
    must(status === 201, `${one.path}: ${status}`);
  }
  await mine.evaluate(() => fetch("/toggle/off", { method: "POST", body: new URLSearchParams({ wait: "0" }) }));
}

const login = async () => {
  const page = await browser.newContext({ bypassCSP: true }).then((context) => context.newPage());
  for (const colorScheme of ["light", "dark"]) {
    for (const [width, height] of SIZES) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height });
      await page.goto(`${gateway}/login`);
      await page.screenshot({ path: `${wish.pictures}/login.${colorScheme}.${width}.png` });
      await page.evaluate(axe);
      const { violations } = await page.evaluate((values) => window.axe.run(document, { runOnly: { type: "tag", values } }), RULES);
      must(violations.length === 0, violations.map(({ id }) => id).join(", "));
    }
  }
};

await walk({
  "the sign-in page": login,
  "without servers": () => look("empty", "/"),
  "servers of every kind": fill,
  "calls of every kind": () => call(mine),
  "no server for somebody without rights": async () => look("no-servers", "/", {}, undefined, await stranger()),
  "a page for somebody without rights": async () => look("no-rights", "/register", {}, undefined, await stranger()),
  ...Object.fromEntries([...PAGES, ...INSIGHT].map(([name, ...rest]) => [name, () => look(name, ...rest)])),
}, { goesOn: true });
await browser.close();
server.end();
