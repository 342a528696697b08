// Every page, as it stands when somebody comes to it.
import { browser as launch, gateway, signedIn, tokened, walk } from "./browser.mjs";
import { look } from "./eye.mjs";
import { every, register, upstream } from "./server.mjs";
import { PAGES as INSIGHT, call } from "./insight.mjs";

/** A page, cookies, and what is opened on it. */
const PAGES = [
  ["servers", "/"], ["cards", "/", { view: "cards" }], ["folded", "/", { sidebar: "closed" }], ["issues", "/?show=issues"],
  ["nothing-fits", "/?q=nothing-has-these-words"], ["dialog", "/", {}, "a[data-tools] >> nth=0"], ["menu", "/remove/looks", {}, "details.user summary"],
  ["sorted", "/?sort=-tools"], ["order", "/?sort=stars", { view: "cards" }, "details.order summary"], ["register", "/register"], ["edit", "/edit/looks"], ["server-tools", "/tools/looks"], ["tools", "/tools"], ["remove", "/remove/looks"],
  ["no-such-page", "/edit/nothing"], ["saved", "/?saved=%2Flooks"], ["saved-pending", "/?saved=%2Fnowhere"],
];

/** What somebody sees who may look and call, and change nothing. */
const READERS = [["servers", "/"], ["server", "/servers/looks"], ["server-tools", "/tools/looks"], ["tools", "/tools"], ["usage", "/usage"], ["tokens", "/tokens"], ["refused", "/access"]];

const browser = await launch();
const server = await upstream();
const mine = await signedIn(browser, { bypassCSP: true });

async function visit(name, path, cookies = {}, opened, page = mine) {
  await page.context().addCookies(Object.entries({ view: "table", sidebar: "open", ...cookies })
    .map(([key, value]) => ({ name: `gatehouse_${key}`, value, url: gateway })));
  await page.goto(gateway + path);
  if (opened) await page.locator(opened).click();
  if (opened?.includes("data-tools")) await page.getByRole("dialog").locator("summary").first().click();
  await look(name, page);
}

await walk({
  "without servers": () => visit("empty", "/"),
  "servers of every kind": () => register(mine, every(server)),
  "calls of every kind": () => call(mine),
  "no server for somebody without rights": async () => visit("no-servers", "/", {}, undefined, await tokened(browser, "nobody")),
  "a page for somebody without rights": async () => visit("no-rights", "/register", {}, undefined, await tokened(browser, "nobody")),
  ...Object.fromEntries(READERS.map(([name, path]) => [`${name}, for a reader`, async () => visit(`reader-${name}`, path, {}, undefined, await tokened(browser, "reader"))])),
  ...Object.fromEntries([...PAGES, ...INSIGHT].map(([name, ...rest]) => [name, () => visit(name, ...rest)])),
}, { goesOn: true });
await browser.close();
server.end();
