// A browser with somebody signed in. Run in the folder that holds node_modules.
// Every script here takes one argument: '{"gateway": "http://127.0.0.1:7860", "password": "…", "pictures": FOLDER}'.
import { taken } from "../identity/packages.mjs";

const { chromium } = (await taken("playwright-core")).default;
export const PATIENCE = 20_000;
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];

// Whatever hangs ends, and says so by its status.
setTimeout(() => {
  console.log("FAILED: it takes too long");
  process.exit(3);
}, 20 * PATIENCE).unref();

export const wish = JSON.parse(process.argv[2]);
export const { gateway, password } = wish;

export async function browser() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: FLAGS, timeout: 3 * PATIENCE });
}

/** A window of somebody signed in; what goes wrong in it is remembered. */
export async function signedIn(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  page.wrong = [];
  page.on("pageerror", (error) => page.wrong.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && /Content Security Policy|Uncaught/.test(message.text())) page.wrong.push(message.text());
  });
  await page.goto(`${gateway}/login`);
  await page.fill("#username", "admin");
  await page.fill("#password", password);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("heading", { level: 1, name: "Servers" }).waitFor();
  // What is clicked before the scripts are there is a link like any other.
  await page.waitForLoadState();
  return page;
}

/** A window of somebody known by a token: of `nobody` who may see nothing, or of a `reader`. */
export async function tokened(browser, whose) {
  const extraHTTPHeaders = { authorization: `Bearer ${wish[whose]}` };
  const context = await browser.newContext({ bypassCSP: true, extraHTTPHeaders });
  context.setDefaultTimeout(PATIENCE);
  return context.newPage();
}

/** Texts that turn the direction of writing, and turn it for words beside them that are not theirs. */
export function turned(page) {
  return page.evaluate(() => {
    const isOwn = (element) => !/^inline$|^contents$/.test(getComputedStyle(element).display);
    const isIsolated = (element) => /isolate|plaintext/.test(getComputedStyle(element).unicodeBidi);
    const up = (node, test) => {
      let at = node.parentElement;
      while (!test(at)) at = at.parentElement;
      return at;
    };
    const texts = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const { currentNode: node } = walker;
      if (node.data.trim() && node.parentElement.checkVisibility()) texts.push(node);
    }
    return texts.filter((text) => {
      if (!text.data.includes("\u202E")) return false;
      const line = up(text, isOwn);
      if (up(text, (one) => one === line || isIsolated(one)) !== line) return false;
      // What stands in a flexible box by itself is a line of its own.
      if (text.parentElement === line && /flex|grid/.test(getComputedStyle(line).display)) return false;
      return texts.some((other) => other !== text && up(other, isOwn) === line);
    }).map((text) => text.parentElement.outerHTML.slice(0, 200));
  });
}

/** Fill in the fields of a form, by their ids. */
export async function fill(on, fields) {
  for (const [field, words] of Object.entries(fields)) await on.fill(`#${field}`, words);
}

/** Something that must be so, or the walk ends here. */
export function must(isSo, words) {
  if (!isSo) throw new Error(words);
}

/** Run the walks one after the other, to the first that fails or to the end; say of each how it went. */
export async function walk(walks, { goesOn = false } = {}) {
  for (const [words, act] of Object.entries(walks)) {
    const began = performance.now();
    try {
      await act();
      console.log(`ok ${words} (${Math.round(performance.now() - began)} ms)`);
    } catch (error) {
      console.log(`FAILED ${words}: ${error.stack}`);
      // What a walk began and has not ended would go on for long.
      if (!goesOn) process.exit(1);
      process.exitCode = 1;
    }
  }
}
