// What people see while the registry is not running.
import { browser as launch, gateway, must, walk } from "./browser.mjs";
import { look } from "./eye.mjs";

const browser = await launch();
const page = await browser.newContext({ bypassCSP: true }).then((context) => context.newPage());
await walk({
  async "the page that stands in for every other"() {
    await page.goto(`${gateway}/servers/looks`);
    must(await page.getByRole("heading", { level: 1, name: "The registry is not running" }).isVisible(), await page.content());
    await look("away", page);
  },
});
await browser.close();
