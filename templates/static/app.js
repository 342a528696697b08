// What the pages do beyond links and forms. Every page works without it; here it becomes quicker and says more.
"use strict";

(() => {
  const root = document.documentElement;

  /* Times: relative, in the reader's zone, exact on hover. */
  const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });
  const UNITS = [["year", 31536000], ["month", 2592000], ["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

  function since(then) {
    const seconds = Math.round((then - Date.now()) / 1000);
    // What is ahead is as near as it is said: eight hours are eight a moment later, too. What is past is whole units.
    const isAhead = seconds > 0;
    const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= (isAhead ? length * 0.98 : length)) ?? UNITS.at(-1);
    return relative.format(isAhead ? Math.round(seconds / length) : Math.trunc(seconds / length), unit);
  }

  function tellTimes(within = document) {
    for (const time of within.querySelectorAll("time[datetime]")) {
      const then = Date.parse(time.dateTime);
      if (Number.isNaN(then)) continue;
      const words = "exact" in time.dataset ? exact.format(then) : since(then);
      if (time.textContent !== words) time.textContent = words;
      if (!time.title) time.title = exact.format(then);
    }
    // Of drawings: what stands before their words was written in UTC by the server.
    for (const title of within.querySelectorAll("title[data-at]")) {
      title.textContent = title.textContent.replace(/^.*? UTC(?=:)/, () => exact.format(Date.parse(title.dataset.at)));
      title.removeAttribute("data-at");
    }
  }

  /* A word to the person, also spoken. */
  function say(words, isBad = false) {
    const toast = document.createElement("p");
    toast.className = isBad ? "toast bad" : "toast";
    toast.textContent = words;
    document.getElementById("said").append(toast);
    setTimeout(() => toast.remove(), isBad ? 9000 : 4000);
  }

  /* What a refusal says, whatever form it has. */
  async function refusal(response) {
    const body = await response.json().catch(() => null);
    return body?.detail ?? `${response.status} ${response.statusText}`;
  }

  /* A preference is kept in a cookie that the server reads, so that no page flashes. */
  function keep(name, word) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `gatehouse_${name}=${word}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
  }

  const PREFERENCES = {
    theme(word, form) {
      root.dataset.theme = word;
      for (const button of form.querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === word));
    },
    sidebar(word, form) {
      root.dataset.sidebar = word;
      const button = form.querySelector("button");
      button.value = word === "open" ? "closed" : "open";
      button.setAttribute("aria-expanded", String(word === "open"));
    },
  };

  /* A question before something that cannot be taken back; without a script the link leads to a page that asks. */
  function ask(title, words, verb) {
    const dialog = document.createElement("dialog");
    dialog.setAttribute("aria-labelledby", "ask-title");
    const part = (name, text, attributes = {}) => Object.assign(document.createElement(name), { textContent: text, ...attributes });
    const head = part("div", "", { className: "dialog-head" });
    head.append(part("h2", title, { id: "ask-title" }));
    const body = part("form", "", { className: "dialog-body", method: "dialog" });
    const buttons = part("p", "", { className: "buttons" });
    buttons.append(part("button", verb, { value: "yes", className: "danger" }), part("button", "Cancel", { value: "no", className: "quiet", autofocus: true }));
    body.append(part("p", words), buttons);
    dialog.append(head, body);
    document.body.append(dialog);
    dialog.showModal();
    return new Promise((resolve) => dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    }));
  }

  /* What was typed outlives the session: before it is sent the gateway is asked whether there is still one. */
  async function mayBeSent(form) {
    const fault = await renewToken();
    form.querySelector(".ended")?.remove();
    if (fault) tellOfEnd(form, fault);
    return !fault;
  }

  /* The forms of this page may be of a session that has ended, and the same person has signed in since. Otherwise why they
     cannot be sent. */
  async function renewToken() {
    const response = await fetch("/api/auth/me", { headers: { accept: "application/json" } });
    if (response.status === 401) return "Your session has ended";
    if (!response.ok) throw new Error(await refusal(response));
    const { username } = await response.json();
    const { user = "" } = document.body.dataset;
    if (username !== user) return `This page was written for ${user}, and ${username} is signed in now`;
    const token = response.headers.get("x-csrf-token");
    for (const field of token ? document.querySelectorAll("input[name=csrf_token]") : []) field.value = token;
    return null;
  }

  function tellOfEnd(form, fault) {
    const words = document.createElement("p");
    words.className = "alert warn ended";
    words.setAttribute("role", "alert");
    const link = Object.assign(document.createElement("a"), { href: "/login", target: "_blank", rel: "noopener", textContent: "Sign in in another tab" });
    const text = document.createElement("span");
    text.append(`${fault}, and nothing was sent. What you typed is still here: `, link, ", then send it again.");
    words.append(text);
    form.querySelector(".ended")?.remove();
    form.prepend(words);
    words.scrollIntoView({ block: "center" });
    link.focus();
  }

  /* Send a form as its button would, with a word for our own listeners that it may go. */
  function send(form, button, word) {
    form.dataset[word] = "yes";
    form.requestSubmit(button);
    delete form.dataset[word];
  }

  async function sendTyped(form, button) {
    if (form.dataset.waits) return;
    form.dataset.waits = "yes";
    button?.setAttribute("aria-busy", "true");
    let may = false;
    try {
      may = await mayBeSent(form);
    } catch (error) {
      say(error instanceof TypeError ? "The gateway does not answer; what you typed is still here" : error.message, true);
    } finally {
      delete form.dataset.waits;
      button?.removeAttribute("aria-busy");
    }
    if (may) send(form, button, "known");
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    const button = event.submitter;
    if (event.defaultPrevented) return;
    const wish = form.dataset.preference;
    if (wish && PREFERENCES[wish] && button) {
      event.preventDefault();
      const word = button.value;
      keep(wish, word);
      return PREFERENCES[wish](word, form);
    }
    if (form.dataset.ask && !form.dataset.asked) {
      event.preventDefault();
      if (!await ask(form.dataset.ask, form.dataset.words ?? "", form.dataset.verb ?? "Yes")) return;
      const fault = await renewToken().catch((error) => error.message);
      if (fault) return say(`${fault}, and nothing was done`, true);
      // Without this word the gateway asks once more, on a page.
      const sure = Object.assign(document.createElement("input"), { type: "hidden", name: "sure", value: "yes" });
      form.append(sure);
      send(form, button, "asked");
      sure.remove();
      return;
    }
    if (form.dataset.typed !== undefined && !form.dataset.known) {
      event.preventDefault();
      sendTyped(form, button);
    }
  });

  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      try {
        await navigator.clipboard.writeText(copy.dataset.copy);
        say("Copied");
      } catch {
        say("The browser does not let us copy; select the text instead", true);
      }
    }
    const close = event.target.closest("[data-close]");
    if (close) close.closest("dialog")?.close();
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const menu = event.target.closest?.("details.menu[open]");
      if (menu) {
        menu.open = false;
        menu.querySelector("summary").focus();
      }
    }
    const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      const search = document.querySelector("[data-search]");
      if (search) {
        event.preventDefault();
        search.focus();
      }
    }
  });

  /* A part that does not come leaves the page as it was, and whoever is not signed in any more is asked to be. */
  document.addEventListener("htmx:before:response", (event) => {
    const { redirected } = event.detail.ctx.response.raw;
    if (!redirected) return;
    event.preventDefault();
    location.reload();
  });
  document.addEventListener("htmx:response:error", (event) => {
    const { response, text } = event.detail.ctx;
    let words = `The gateway answered with ${response.status}`;
    try {
      words = JSON.parse(text).detail ?? words;
    } catch { /* It has no words of its own. */ }
    say(words, true);
  });
  document.addEventListener("htmx:error", () => say("The gateway does not answer", true));

  /* What was put in after the page was loaded becomes alive like the rest. */
  function enliven(within = document) {
    tellTimes(within);
    for (const button of within.querySelectorAll("[data-copy][hidden]")) button.hidden = false;
    for (const part of within.querySelectorAll("[data-scripted][hidden]")) part.hidden = false;
    document.dispatchEvent(new CustomEvent("gatehouse:alive", { detail: within }));
  }

  window.gatehouse = { say, refusal, ask, mayBeSent, tellTimes, enliven, keep };
  document.addEventListener("DOMContentLoaded", () => enliven());
  document.addEventListener("htmx:after:swap", () => enliven());
  setInterval(tellTimes, 10_000);
})();
