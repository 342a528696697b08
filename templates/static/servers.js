// The list of servers lives: it hears of changes over the feed, does what its buttons say without leaving the page, and
// looks by meaning after it has looked by words.
"use strict";

(() => {
  const { say, refusal, ask, tellTimes, enliven, keep, follow } = window.gatehouse;
  const list = () => document.getElementById("list");
  const placesOf = (path) => [...document.querySelectorAll(`#list [data-server="${CSS.escape(path)}"]`)];
  /* Whoever is in the middle of something is not disturbed, and an answer that is on its way finds the list it asked for. */
  const isBusy = () => document.querySelector("dialog[open], .htmx-request, #list details[open]") !== null;

  /* The words of the feed, as the server writes them into a row. */
  const WORDS = {
    healthy: ["good", "Healthy"], unhealthy: ["bad", "Unhealthy"], "healthy-auth-expired": ["warn", "Credential refused"],
    checking: ["off", "Checking"], disabled: ["off", "Disabled"], unknown: ["off", "Not checked"],
  };

  /* The list again from the server, as it is there now: after a change, and not more often than once a moment. */
  let again = 0;
  function renew(soon = 250) {
    clearTimeout(again);
    again = setTimeout(async () => {
      const now = list();
      if (!now) return;
      if (isBusy()) return renew(1000);
      const response = await fetch(now.dataset.here, { headers: { "HX-Request": "true", accept: "text/html" } }).catch(() => null);
      if (response?.redirected) return location.reload();
      if (!response?.ok) return;
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("list");
      if (!fresh) return;
      // A search has begun, or has answered, since this was asked for.
      if (isBusy() || list() !== now) return renew();
      const focused = nameOf(document.activeElement);
      const row = document.activeElement?.closest?.("#list [data-server]");
      now.replaceWith(fresh);
      window.htmx?.process(fresh);
      enliven(fresh);
      if (focused) (fresh.querySelector(focused) ?? beside(row, fresh))?.focus();
    }, soon);
  }

  /* Where somebody goes on whose row is gone: at the next one, or at the one before. */
  function beside(row, fresh) {
    for (const other of [row?.nextElementSibling, row?.previousElementSibling]) {
      const link = other && fresh.querySelector(`[data-server="${CSS.escape(other.dataset.server)}"] a`);
      if (link) return link;
    }
    return document.getElementById("q");
  }

  /* How to find the same control again in a list that was replaced. */
  function nameOf(element) {
    if (element?.id && list()?.contains(element)) return `#${CSS.escape(element.id)}`;
    const row = element?.closest?.("#list [data-server]");
    if (!row) return null;
    const within = `[data-server="${CSS.escape(row.dataset.server)}"]`;
    const deed = element.getAttribute("formaction");
    if (deed) return `${within} [formaction="${CSS.escape(deed)}"]`;
    return element.getAttribute("href") ? `${within} a[href="${CSS.escape(element.getAttribute("href"))}"]` : null;
  }

  function show(row, { status, last_checked_iso: at, num_tools: tools }) {
    const part = (name) => row.querySelector(`[data-part="${name}"]`);
    const [word, ...rest] = status.split(": ");
    const [tone, words] = WORDS[word] ?? ["off", word];
    const state = part("state");
    if (state && row.dataset.status !== status) {
      state.className = `state ${tone}`;
      part("word").textContent = words;
      part("why").textContent = rest.join(": ");
      part("why").title = rest.join(": ");
    }
    if (part("tools")) part("tools").textContent = tools;
    for (const place of at ? row.querySelectorAll('[data-part="checked"]') : []) {
      const time = document.createElement("time");
      time.dateTime = at;
      place.replaceChildren(time);
      tellTimes(place);
    }
    if (row.dataset.status === status) return false;
    row.dataset.status = status;
    row.dataset.flash = "";
    row.addEventListener("animationend", () => delete row.dataset.flash, { once: true });
    return true;
  }

  /* The feed: everything at first, then what changes. */
  const known = new Map();
  let hasBegun = false;

  function hear(states) {
    let isNew = false;
    for (const [path, state] of Object.entries(states)) {
      const before = known.get(path);
      const words = JSON.stringify(state);
      known.set(path, words);
      const differs = placesOf(path).map((place) => show(place, state)).includes(true);
      // A server that the first message did not tell of is new; one of which the same is told twice was edited.
      const isOther = before === undefined ? hasBegun : before === words || JSON.parse(before).status !== state.status;
      isNew ||= differs || isOther;
    }
    hasBegun = true;
    if (isNew) renew();
  }

  /* What a button of a row says is sent, the answer is said, and the list is what it is then. */
  async function send(address, body, button) {
    // The feed tells how it went on.
    if (!address.includes("/api/refresh")) body.set("wait", "0");
    button?.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(address, { method: "POST", body, headers: { accept: "application/json" } });
      if (response.status === 401) return location.reload();
      if (!response.ok) return say(await refusal(response), true);
      const done = await response.json();
      const name = button?.closest("[data-server]")?.querySelector("a[dir=auto]")?.textContent;
      const isSwitched = name && typeof done.new_enabled_state === "boolean";
      say(isSwitched ? `${name} is ${done.new_enabled_state ? "on" : "off"}` : done.message ?? "Done");
      renew(0);
    } catch {
      say("The gateway does not answer", true);
    } finally {
      button?.removeAttribute("aria-busy");
    }
  }

  const deeds = (button) => new URLSearchParams(new FormData(document.getElementById("deeds"), button));

  document.addEventListener("submit", (event) => {
    if (event.target.id !== "deeds") return;
    event.preventDefault();
    send(event.submitter.formAction, deeds(event.submitter), event.submitter);
  });

  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-remove]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const { server } = link.closest("[data-server]").dataset;
    const words = `Calls to ${server} stop at once. What was registered is forgotten; the server itself is left alone.`;
    if (await ask(`${link.getAttribute("aria-label")}?`, words, "Remove")) send(link.href, deeds(), link);
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.view === undefined) return;
    event.preventDefault();
    const word = event.submitter.value;
    keep("view", word);
    for (const button of form.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === word));
    renew(0);
  });

  /* The tools of a server in a dialog. */
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[data-tools]");
    const dialog = document.getElementById("tools");
    if (!link || !dialog || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link.getAttribute("aria-busy")) return;
    link.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(link.href, { headers: { "HX-Request": "true", accept: "text/html" } });
      // Whoever is not signed in any more is asked to be.
      if (response.redirected) return location.reload();
      if (!response.ok) return say(await refusal(response), true);
      const parts = new DOMParser().parseFromString(await response.text(), "text/html").body.childNodes;
      dialog.replaceChildren(...parts);
      dialog.querySelector("[data-close]").hidden = false;
      enliven(dialog);
      if (dialog.open) {
        // The next page is read from its beginning.
        dialog.scrollTop = 0;
        dialog.querySelector("#tools-title").focus();
      } else dialog.showModal();
    } catch {
      say("The gateway does not answer", true);
    } finally {
      link.removeAttribute("aria-busy");
    }
  });

  /* By meaning, after the words: when this gateway can. */
  let meant = 0;
  let asked = null;
  let canMean = true;
  async function mean(query) {
    const place = document.getElementById("meaning");
    asked?.abort();
    if (!place || !canMean) return;
    if (query.length < 3) return void (place.hidden = true);
    asked = new AbortController();
    const body = JSON.stringify({ query, entity_types: ["mcp_server", "tool"], max_results: 8 });
    const headers = { "content-type": "application/json", accept: "application/json" };
    const response = await fetch("/api/search/semantic", { method: "POST", body, headers, signal: asked.signal }).catch(() => null);
    if (response?.status === 404) canMean = false;
    if (!response?.ok) return void (place.hidden = true);
    const found = await response.json().catch(() => ({}));
    const rows = [
      ...(found.tools ?? []).map((tool) => ({ href: `/tools${tool.server_path}?tool=${encodeURIComponent(tool.tool_name)}`, name: tool.tool_name, from: tool.server_name, text: tool.description, score: tool.relevance_score })),
      ...(found.servers ?? []).map((server) => ({ href: `/servers${server.path}`, name: server.server_name, from: server.path, text: server.description, score: server.relevance_score })),
    ].sort((one, other) => (other.score ?? 0) - (one.score ?? 0)).slice(0, 8);
    place.querySelector("ol").replaceChildren(...rows.map(result));
    // Without its model the search goes by words alone, and says so.
    const isLexical = found.search_mode === "lexical-only";
    place.querySelector("h2").textContent = isLexical ? "Close to these words" : "By meaning";
    place.hidden = rows.length === 0 || found.nothing_fits === true;
  }

  function result({ href, name, from, text, score }) {
    const row = document.createElement("li");
    const what = document.createElement("span");
    what.append(
      Object.assign(document.createElement("a"), { href, textContent: name, className: "clip", dir: "auto" }),
      Object.assign(document.createElement("span"), { textContent: from ?? "", className: "clip from", dir: "auto" }),
    );
    const words = Object.assign(document.createElement("span"), { textContent: (text ?? "").slice(0, 300), className: "clip soft", dir: "auto" });
    const much = Object.assign(document.createElement("span"), { textContent: score ? `${Math.round(score * 100)} %` : "", className: "num soft" });
    row.append(what, words, much);
    return row;
  }

  document.addEventListener("input", (event) => {
    if (event.target.id !== "q") return;
    clearTimeout(meant);
    meant = setTimeout(() => mean(event.target.value.trim()), 350);
  });

  /* What a search found, for whoever does not see the list; after a step back, the whole page is another. */
  document.addEventListener("htmx:after:swap", () => {
    follow.dot();
    const words = list()?.querySelector(".pager .hint, .blank-title, p.hint")?.textContent ?? "";
    document.getElementById("found").textContent = words.trim();
  });

  document.addEventListener("DOMContentLoaded", () => {
    if (document.getElementById("feed")) {
      follow({
        hear,
        // What happened while nobody listened is told by the list alone.
        renew,
        lost() {
          known.clear();
          hasBegun = false;
        },
      });
    }
    const query = document.getElementById("q")?.value.trim();
    if (query) mean(query);
  });
})();
