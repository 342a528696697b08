// What people see of a page, in both themes, wide and narrow: a picture of all of it, nothing that scrolls sideways, and
// nothing that axe-core finds. Whoever looks has a window with `bypassCSP`: the checker is put into the page, which our
// policy forbids to anybody else.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { must, wish } from "./browser.mjs";

const axe = readFileSync(createRequire(`${process.cwd()}/`).resolve("axe-core/axe.min.js"), "utf8");
const SIZES = [[1280, 800], [768, 1024], [360, 740]];
/** No picture is higher. */
const HIGHEST = 6_000;

mkdirSync(wish.pictures, { recursive: true });

/** What axe-core finds in the page as it stands, one line each. */
async function found(page) {
  if (!await page.evaluate(() => "axe" in window)) await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document));
  const places = (nodes) => nodes.slice(0, 3).map(({ html, any }) => `${html.slice(0, 200)} ${any[0]?.message ?? ""}`);
  return violations.map(({ id, nodes }) => `${id}: ${places(nodes).join(" | ")}`);
}

/** Look at the page as it stands; `name` is the picture's. */
export async function look(name, page) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const [width, height] of SIZES) {
      await page.setViewportSize({ width, height });
      await page.waitForFunction((wide) => window.innerWidth === wide, width);
      // As high as all of it, so that what sticks to an edge stands where it does at the end.
      const all = await page.evaluate(() => document.documentElement.scrollHeight);
      await page.setViewportSize({ width, height: Math.min(Math.max(all, height), HIGHEST) });
      await page.screenshot({ path: `${wish.pictures}/${name}.${colorScheme}.${width}.png`, animations: "disabled" });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      must(wide <= 0, `${name}, ${colorScheme}, ${width}: scrolls sideways by ${wide}`);
      const faults = await found(page);
      must(faults.length === 0, `${name}, ${colorScheme}, ${width}:\n${faults.join("\n")}`);
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}
