// The form of a server: metadata as rows of names and values, and a test of the connection that keeps what was typed.
"use strict";

(() => {
  const { refusal } = window.gatehouse;

  /* Rows of names and values; the text below them stays what is sent. */
  function edit(place) {
    const text = place.querySelector("textarea");
    const label = place.querySelector("label");
    const pairs = document.createElement("div");
    pairs.className = "pairs";
    pairs.setAttribute("role", "group");
    pairs.setAttribute("aria-label", "Metadata");

    const shown = (value) => {
      if (typeof value !== "string") return JSON.stringify(value);
      // A text that reads like something else keeps its quotes.
      try {
        JSON.parse(value);
        return JSON.stringify(value);
      } catch {
        return value;
      }
    };
    const meant = (value) => {
      try {
        return JSON.parse(value);
      } catch {
        return value;
      }
    };

    function row(name = "", value = "") {
      const pair = document.createElement("div");
      pair.className = "pair";
      const [key, word] = [["Name", name], ["Value", value]].map(([what, text]) => Object.assign(document.createElement("input"), { value: text, placeholder: what, ariaLabel: `${what} of metadata`, spellcheck: false }));
      const away = Object.assign(document.createElement("button"), { type: "button", className: "ghost", textContent: "×", ariaLabel: "Remove this row" });
      away.addEventListener("click", () => {
        pair.remove();
        write();
      });
      for (const input of [key, word]) input.addEventListener("input", write);
      pair.append(key, word, away);
      return pair;
    }

    function write() {
      const rows = [...pairs.querySelectorAll(".pair")].map((pair) => [...pair.querySelectorAll("input")].map((input) => input.value));
      const named = rows.filter(([name]) => name.trim());
      text.value = named.length ? JSON.stringify(Object.fromEntries(named.map(([name, value]) => [name.trim(), meant(value)])), null, 2) : "";
    }

    function read() {
      try {
        const value = text.value.trim() ? JSON.parse(text.value) : {};
        if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
        return Object.entries(value);
      } catch {
        return null;
      }
    }

    const entries = read();
    const add = Object.assign(document.createElement("button"), { type: "button", className: "quiet", textContent: "Add a row" });
    add.addEventListener("click", () => {
      const pair = row();
      pairs.append(pair);
      pair.querySelector("input").focus();
    });
    const more = document.createElement("details");
    more.className = "schema";
    more.append(Object.assign(document.createElement("summary"), { textContent: "As JSON" }));
    const title = Object.assign(document.createElement("span"), { className: "label", textContent: "Metadata" });
    place.prepend(title);
    more.append(label, text, place.querySelector("#metadata-hint"));
    label.className = "hidden";
    const buttons = document.createElement("p");
    buttons.className = "buttons";
    buttons.append(add);
    title.after(pairs, buttons, more);
    // What is no object is shown as it is, to be mended.
    if (entries === null) more.open = true;
    else pairs.append(...entries.map(([name, value]) => row(name, shown(value))));
    text.addEventListener("change", () => {
      const again = read();
      if (again) pairs.replaceChildren(...again.map(([name, value]) => row(name, shown(value))));
    });
  }

  async function test(form, button) {
    const place = document.getElementById("trial");
    button.setAttribute("aria-busy", "true");
    try {
      const response = await fetch("/register/try", {
        method: "POST", body: new URLSearchParams(new FormData(form)), headers: { "HX-Request": "true", accept: "text/html" },
      });
      if (!response.ok) throw new Error(await refusal(response));
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("trial");
      place.replaceChildren(...fresh.childNodes);
    } catch (error) {
      const words = Object.assign(document.createElement("p"), { className: "alert", textContent: error.message });
      place.replaceChildren(words);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button?.dataset.try === undefined) return;
    event.preventDefault();
    test(event.target, button);
  }, true);

  document.addEventListener("DOMContentLoaded", () => {
    for (const place of document.querySelectorAll("[data-metadata]")) edit(place);
  });
})();
