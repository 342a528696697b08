// What the walks share: a browser, somebody signed in, a server, and the words of a row.
import { browser as launch, fill, gateway, signedIn } from "./browser.mjs";
import { upstream } from "./server.mjs";

export const browser = await launch();
export const server = await upstream();
export const page = await signedIn(browser);
export const row = (on, path) => on.locator(`[data-server="${path}"].server`);
export const becomes = (on, path, text) => row(on, path).locator("[data-part=word]").filter({ hasText: text }).waitFor();

/** Register a server by the form, with `more` of its fields filled in. */
export async function register(on, path, name, more = async () => {}) {
  await on.goto(`${gateway}/register`);
  await fill(on, { name, path, proxy_pass_url: server.url, description: "A server of the walks" });
  await more(on);
  await on.getByRole("button", { name: "Register" }).click();
  await on.waitForURL(/[?&]saved=/);
}
