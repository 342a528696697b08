// Opens the list of servers again and again with an empty cache, and searches in it. Started by dashboard.py.
import { browser as launch, gateway, signedIn } from "../tests/e2e/browser.mjs";

const TIMES = 9;
const middle = (values) => values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)];
const browser = await launch();

/** One visit: milliseconds until it is painted and alive, bytes over the wire, milliseconds until a search is shown. */
async function visit() {
  const page = await signedIn(browser);
  // What the first page still hears is not counted.
  await page.goto("about:blank");
  const wire = await page.context().newCDPSession(page);
  let bytes = 0;
  await wire.send("Network.enable");
  await wire.send("Network.setCacheDisabled", { cacheDisabled: true });
  wire.on("Network.loadingFinished", ({ encodedDataLength }) => { bytes += encodedDataLength; });
  wire.on("Network.webSocketFrameReceived", ({ response }) => { bytes += response.payloadData.length; });
  await page.goto(gateway, { waitUntil: "load" });
  await page.locator("#feed", { hasText: "live" }).waitFor();
  const usable = await page.evaluate(() => {
    const [visit] = performance.getEntriesByType("navigation");
    const paint = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0;
    return Math.max(visit.domContentLoadedEventEnd, paint);
  });
  await page.waitForTimeout(300);
  const whole = bytes;
  const began = performance.now();
  await page.fill("#q", "77 region");
  await page.locator('[data-server="/team/server-1"]').waitFor({ state: "detached" });
  const searched = performance.now() - began;
  await page.context().close();
  return { usable, whole, searched };
}

const visits = [];
for (let count = 0; count < TIMES; count++) visits.push(await visit());
const of = (field) => visits.map((one) => one[field]);
console.log("| usable after, p50 ms | worst | over the wire, kB | a search shown after, p50 ms |\n|---|---|---|---|");
console.log(`| ${middle(of("usable")).toFixed(0)} | ${Math.max(...of("usable")).toFixed(0)} | ${(Math.max(...of("whole")) / 1000).toFixed(0)} | ${middle(of("searched")).toFixed(0)} |`);
await browser.close();
if (Math.max(...of("usable")) > 1000 || Math.max(...of("whole")) > 300_000) {
  console.log("The list is to be usable within a second, and to take no more than 300 kB.");
  process.exitCode = 1;
}
