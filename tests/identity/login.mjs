// A person with a browser: logs in to the gateway at a provider, and out again. Run in the folder that holds node_modules.
// Usage: node login.mjs '{"gateway": "http://127.0.0.1:7860", "provider": "Keycloak", "username": "alice", "password": "alice"}'
// or the name of a file with that. More fields:
//   "wrong": true      first gives a wrong password, and sees it refused
//   "logout": "ID"     presses "Sign out" in the end, then asks at /auth/ID whether the provider still knows who it is
//   "screenshot": F    a picture of the last page, also of the one where it got stuck
// Prints one line of JSON: where the browser ended, the cookies that the gateway gave it, and how it went.
import { existsSync, readFileSync } from "node:fs";
import { taken } from "./packages.mjs";

const { chromium } = (await taken("playwright-core")).default;
const PATIENCE = 10_000;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
/** The button of Keycloak's page (and of the imitations), or the first field of Canaille's two pages. */
const FORM = "#kc-login, #login";

const [given] = process.argv.slice(2);
const { gateway, provider, username, password, wrong, logout, screenshot } = JSON.parse(existsSync(given) ? readFileSync(given) : given);
const home = new URL(gateway).origin;
const back = (url) => url.origin === home;

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS, timeout: 3 * PATIENCE });
const context = await browser.newContext();
context.setDefaultTimeout(PATIENCE);
const page = await context.newPage();

// A browser keeps one jar for all ports of a host, the provider's too: so remember which cookies the gateway has set.
const said = { status: null, names: new Set() };
page.on("response", async (response) => {
  if (!back(new URL(response.url()))) return;
  if (response.request().isNavigationRequest() && response.request().frame() === page.mainFrame()) said.status = response.status();
  for (const { name, value } of await response.headersArray().catch(() => [])) {
    if (name.toLowerCase() === "set-cookie") said.names.add(value.split("=")[0].trim());
  }
});

const text = (locator) => locator.first().textContent({ timeout: 500 }).then((found) => found.trim(), () => null);

async function seen() {
  const cookies = (await context.cookies(gateway)).filter(({ name }) => said.names.has(name));
  return {
    url: page.url(),
    status: said.status,
    h1: await text(page.locator("h1")),
    alert: await text(page.getByRole("alert")),
    cookies: cookies.map(({ name, httpOnly, sameSite, secure, path }) => ({ name, httpOnly, sameSite, secure, path })),
  };
}

/** Do what goes elsewhere, and wait until the browser has left the page it was on. */
async function leaving(act) {
  const left = page.waitForEvent("framenavigated", (frame) => frame === page.mainFrame());
  await Promise.all([left, act()]);
}

async function homeAgain() {
  await page.waitForURL(back);
  await page.waitForLoadState();
}

async function give(secret) {
  if (await page.locator("#kc-login").count()) {
    await page.fill("#username", username);
    await page.fill("#password", secret);
    return leaving(() => page.click("#kc-login"));
  }
  if (await page.locator("#login").count()) {
    await page.fill("#login", username);
    await page.locator("#login").press("Enter");
  }
  await page.fill("#password", secret);
  return leaving(() => page.locator("#password").press("Enter"));
}

async function login() {
  await page.goto(`${gateway}/login`);
  const choice = page.getByRole("link", { name: provider }).or(page.getByRole("button", { name: provider }));
  await leaving(() => choice.first().click());
  // Whoever is known to the provider already comes back without a question.
  const asked = await Promise.race([
    page.locator(FORM).first().waitFor().then(() => true),
    page.waitForURL((url) => back(url) && url.pathname !== "/login").then(() => false),
  ]);
  if (asked && wrong) {
    await give(`not ${password}`);
    await page.locator(FORM).or(page.locator("#password")).first().waitFor();
  }
  if (asked) await give(password);
  await homeAgain();
  return { asked, ...await seen() };
}

async function out() {
  // The button is in the menu of the person.
  const menu = page.locator("details.user > summary");
  if (await menu.count()) await menu.click();
  await leaving(() => page.getByRole("button", { name: /sign out|log out/i }).first().click());
  await homeAgain();
  const after = await seen();
  await page.goto(`${gateway}/auth/${logout}`);
  return { ...after, asked_again: await page.locator(FORM).count() > 0 };
}

const result = {};
try {
  Object.assign(result, await login());
  if (screenshot && !logout) await page.screenshot({ path: screenshot });
  if (logout) result.logout = await out();
} catch (error) {
  Object.assign(result, { error: error.message.split("\n")[0], stuck: await seen() });
  process.exitCode = 1;
}
if (screenshot && (logout || result.error)) await page.screenshot({ path: screenshot }).catch(() => {});
console.log(JSON.stringify(result));
await browser.close();
