// A page of the registry in Chromium listens until a service has the status that is waited for.
// Usage: feed.mjs GATEWAY PATH STATUS; prints "connected", then the message. Run in the folder that holds node_modules.
import { taken } from "../identity/packages.mjs";

const { chromium } = (await taken("playwright-core")).default;
const [gateway, wanted, status] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage();
await page.exposeFunction("connected", () => console.log("connected"));
await page.goto(`${gateway}/login`);
const heard = await page.evaluate(([wanted, status]) => new Promise((resolve, reject) => {
  const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws/health_status`);
  socket.onopen = () => window.connected();
  socket.onclose = (event) => reject(new Error(`closed: ${event.code} ${event.reason}`));
  socket.onmessage = (event) => {
    const said = JSON.parse(event.data);
    if (said[wanted]?.status === status) resolve(said);
  };
}), [wanted, status]);
console.log(JSON.stringify(heard));
await browser.close();
