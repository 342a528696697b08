// The forms: a server is tried, registered and edited; nothing that was typed is lost.
import { fill, gateway, must, signedIn } from "./browser.mjs";
import { becomes, browser, page, register, row, server } from "./steps.mjs";

export const FORMS = {
  async "a connection is tested before it is saved, and what was typed stays"() {
    await page.getByRole("link", { name: "Register" }).first().click();
    await page.fill("#proxy_pass_url", "http://127.0.0.1:9");
    await page.getByRole("button", { name: "Test the connection" }).click();
    await page.locator("#trial .alert:not(.good)").waitFor();
    await page.fill("#proxy_pass_url", server.url);
    await page.getByRole("button", { name: "Test the connection" }).click();
    const good = page.locator("#trial .alert.good");
    await good.waitFor();
    const text = await good.textContent();
    must(/walks 1\.2/.test(text) && /streamable-http/.test(text) && /\d+ ms/.test(text) && /3 tools/.test(text), text);
    must(await page.inputValue("#proxy_pass_url") === server.url, "the address was lost");
    // What is wrong with the form stands beside its field, until it is right.
    await page.fill("#proxy_pass_url", "ftp://x");
    await page.getByRole("button", { name: "Test the connection" }).click();
    await page.locator("#fault-proxy_pass_url").waitFor();
    must(await page.getAttribute("#proxy_pass_url", "aria-describedby") === "fault-proxy_pass_url", "the field does not name its fault");
    must(!(await page.locator("#fault-proxy_pass_url").textContent()).includes("proxy_pass_url"), "the fault names the field as programs do");
    await page.fill("#proxy_pass_url", server.url);
    await page.getByRole("button", { name: "Test the connection" }).click();
    await good.waitFor();
    must(await page.locator("#fault-proxy_pass_url").count() === 0, "the fault stays");
  },

  async "faults stand beside their fields, and nothing secret comes back"() {
    await fill(page, { name: "Walks", path: "/api", description: "d" });
    await page.selectOption("#auth_scheme", "bearer");
    await page.fill("#auth_credential", "a-secret-of-mine");
    await page.getByRole("button", { name: "Register" }).click();
    await page.locator("#fault-path").waitFor();
    must(await page.getAttribute("#path", "aria-invalid") === "true", "the field does not say that it is wrong");
    // Whoever is to mend it need not look for it.
    await page.locator("#path:focus").waitFor();
    must(await page.inputValue("#name") === "Walks", "the name was lost");
    must(!(await page.content()).includes("a-secret-of-mine"), "the secret came back");
    await page.locator(".unkept").waitFor();
    must(await page.getAttribute("#auth_credential", "aria-invalid") === "true", "nothing says that the secret is lost");
  },

  async "a server is registered with metadata, and is live"() {
    await register(page, "/walks", "Walks", async (form) => {
      await fill(form, { tags: "alpha, beta", num_stars: "5" });
      await form.getByRole("button", { name: "Add a row" }).click();
      await form.getByLabel("Name of metadata").fill("team");
      await form.getByLabel("Value of metadata").fill("data");
    });
    const saved = page.locator(".saved");
    await saved.waitFor();
    must(/live at/.test(await saved.textContent()), await saved.textContent());
    await becomes(page, "/walks", "Healthy");
    await page.goto(`${gateway}/edit/walks`);
    must(await page.getByLabel("Value of metadata").inputValue() === "data", "the metadata is gone");
  },

  async "metadata stays as it was typed, and no name is dropped"() {
    const add = async (name, value) => {
      await page.getByRole("button", { name: "Add a row" }).click();
      await page.getByLabel("Name of metadata").last().fill(name);
      await page.getByLabel("Value of metadata").last().fill(value);
    };
    await add("version", "1.0");
    await add("ports", "[80,443]");
    const written = () => page.locator("#metadata").inputValue().then(JSON.parse);
    const { version, ports, team } = await written();
    must(version === "1.0" && Array.isArray(ports) && team === "data", await page.locator("#metadata").inputValue());
    await add("team", "another");
    await page.locator("#metadata-names", { hasText: "twice" }).waitFor();
    must((await written()).team === "data", "a name that stands twice went over the one before");
    must(await page.locator("#server-form").evaluate((form) => !form.checkValidity()), "the form can be sent");
    await page.getByRole("button", { name: "Remove this row" }).last().click();
    must(await page.locator("#metadata-names").isHidden(), "the fault stays");
  },

  async "it is edited"() {
    await page.fill("#name", "Walks at large");
    await page.getByRole("button", { name: "Save" }).click();
    await row(page, "/walks").getByRole("link", { name: "Walks at large", exact: true }).waitFor();
    await page.goto(`${gateway}/edit/walks`);
    must(JSON.parse(await page.locator("#metadata").inputValue()).version === "1.0", "a version became a number");
    await page.goto(gateway);
  },

  async "what was typed outlives the session"() {
    const late = await signedIn(browser);
    await late.goto(`${gateway}/edit/walks`);
    await late.fill("#description", "Typed while the session ended");
    const cookies = await late.context().cookies();
    await late.context().clearCookies();
    await late.getByRole("button", { name: "Save" }).click();
    const link = late.locator(".ended a");
    await link.waitFor();
    must(await late.inputValue("#description") === "Typed while the session ended", "what was typed is gone");
    must(await link.getAttribute("target") === "_blank" && await link.getAttribute("href") === "/login", "no way to sign in beside it");
    // Signed in elsewhere, as another session; then it goes through.
    const other = await signedIn(browser);
    const session = (await other.context().cookies()).find(({ name }) => name === "mcp_gateway_session");
    must(cookies.every(({ value }) => value !== session.value), "it is the same session");
    await late.context().addCookies([session]);
    await late.getByRole("button", { name: "Save" }).click();
    await late.locator(".saved").waitFor();
    await late.goto(`${gateway}/edit/walks`);
    must(await late.inputValue("#description") === "Typed while the session ended", "it was not saved");
    // Or before it is sent, so that nobody is told of an end.
    await late.fill("#description", "Typed in one session and sent in another");
    await late.context().addCookies(cookies);
    await late.getByRole("button", { name: "Save" }).click();
    await late.locator(".saved").waitFor();
    // Somebody else does not send it in their name without knowing.
    await late.goto(`${gateway}/edit/walks`);
    await late.fill("#description", "Typed by one and sent by another");
    await late.route("**/api/auth/me", (route) => route.fulfill({ json: { username: "bob" } }));
    await late.getByRole("button", { name: "Save" }).click();
    await late.getByText("was written for admin, and bob is signed in now").waitFor();
    await late.context().close();
    await other.context().close();
  },
};
