// A tool is called from the page however its server is spoken with. Run with servers that have a tool `add`.
import { browser as launch, gateway, must, signedIn, walk } from "./browser.mjs";

const browser = await launch();
const page = await signedIn(browser);
const paths = await page.evaluate(() => fetch("/api/servers/health").then((response) => response.json()).then(Object.keys));

async function add(path) {
  await page.goto(`${gateway}/tools${path}`);
  const tool = page.locator('[data-tool="add"]');
  await tool.locator("summary").first().click();
  // The form is built when its tool has been opened.
  await tool.getByRole("spinbutton").nth(0).fill("2");
  await tool.getByRole("spinbutton").nth(1).fill("40");
  await tool.getByRole("button", { name: "Call" }).click();
  await tool.locator(".answer p").waitFor();
  const text = await tool.locator(".answer").textContent();
  must(/^Answered, \d+ ms42$/.test(text), text);
  return page.locator("[data-mount]").getAttribute("data-transport");
}

const ways = [];
await walk({
  ...Object.fromEntries(paths.filter((path) => path.startsWith("/python")).map((path) => [path, async () => ways.push(await add(path))])),
  async "in more than one way"() {
    must(new Set(ways).size > 1 && ways.includes("sse"), ways.join());
    must(page.wrong.length === 0, page.wrong.join("\n"));
  },
});
await browser.close();
