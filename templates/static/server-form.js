// The form of a server: metadata as rows of names and values, and a test of the connection that keeps what was typed.
"use strict";

(() => {
  const { refusal, mayBeSent } = window.gatehouse;

  /* Rows of names and values; the text below them stays what is sent. */
  function edit(place) {
    const text = place.querySelector("textarea");
    const label = place.querySelector("label");
    const pairs = document.createElement("div");
    pairs.className = "pairs";
    pairs.setAttribute("role", "group");
    pairs.setAttribute("aria-label", "Metadata");

    /* What is written just as JSON writes it is no text; a version `1.0` or a number of forty digits stays what was typed. */
    const meant = (text) => {
      try {
        const value = JSON.parse(text);
        return JSON.stringify(value) === text ? value : text;
      } catch {
        return text;
      }
    };
    // A text that reads like something else keeps its quotes.
    const shown = (value) => typeof value === "string" && meant(value) === value ? value : JSON.stringify(value);
    const fault = Object.assign(document.createElement("p"), { className: "fault", id: "metadata-names", hidden: true });
    fault.setAttribute("role", "alert");

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
      key.setAttribute("aria-describedby", fault.id);
      pair.append(key, word, away);
      return pair;
    }

    function write() {
      const rows = [...pairs.querySelectorAll(".pair")].map((pair) => [...pair.querySelectorAll("input")].map((input) => input.value));
      const named = rows.filter(([name]) => name.trim());
      if (judge()) return;
      text.value = named.length ? JSON.stringify(Object.fromEntries(named.map(([name, value]) => [name.trim(), meant(value)])), null, 2) : "";
    }

    /* A value without a name, and a name that stands twice, are said and not dropped; the form is not sent with them. */
    function judge() {
      const known = new Set();
      let words = "";
      for (const pair of pairs.querySelectorAll(".pair")) {
        const [key, word] = pair.querySelectorAll("input");
        const name = key.value.trim();
        let wrong = "";
        if (!name && word.value) wrong = "A value here has no name";
        else if (name && known.has(name)) wrong = `The name ${name} stands here twice`;
        known.add(name);
        key.setCustomValidity(wrong);
        if (wrong) key.setAttribute("aria-invalid", "true");
        else key.removeAttribute("aria-invalid");
        words ||= wrong;
      }
      fault.textContent = words;
      fault.hidden = !words;
      return words;
    }

    function read() {
      try {
        const value = text.value.trim() ? JSON.parse(text.value) : {};
        if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
        // A number that a script cannot write again as it stands is left to the text.
        const numbers = text.value.replace(/"(?:[^"\\]|\\.)*"/g, '""').match(/-?\d[\d.eE+-]*/g) ?? [];
        if (numbers.some((number) => String(Number(number)) !== number)) return null;
        return Object.entries(value);
      } catch {
        return null;
      }
    }

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
    title.after(pairs, fault, buttons, more);
    /* What no row can show stays the text's, which no row then overwrites. */
    const fill = () => {
      const entries = read();
      pairs.replaceChildren(...(entries ?? []).map(([name, value]) => row(name, shown(value))));
      add.disabled = entries === null;
      if (entries === null) more.open = true;
      judge();
    };
    fill();
    text.addEventListener("change", fill);
  }

  /* A fault goes to the field that it is about; one that is about none stays where it is. */
  function putBeside(form, fault) {
    const name = fault.dataset.fault === "server_name" ? "name" : fault.dataset.fault;
    const field = form.querySelector(`[id="${CSS.escape(name)}"]`);
    if (!field) return;
    document.getElementById(`fault-${name}`)?.remove();
    fault.querySelector("span")?.remove();
    fault.id = `fault-${name}`;
    fault.className = "fault";
    field.setAttribute("aria-invalid", "true");
    field.dataset.tried = "";
    const hint = document.getElementById(field.getAttribute("aria-describedby"));
    field.setAttribute("aria-describedby", `${hint?.id ?? ""} ${fault.id}`.trim());
    (field.closest("details") ?? hint ?? field).after(fault);
  }

  /* What an earlier look found is forgotten with the next one. */
  function forgetFaults(form) {
    for (const field of form.querySelectorAll("[data-tried]")) {
      document.getElementById(`fault-${field.id}`)?.remove();
      field.removeAttribute("aria-invalid");
      const hint = field.getAttribute("aria-describedby").split(" ").filter((id) => id !== `fault-${field.id}`).join(" ");
      if (hint) field.setAttribute("aria-describedby", hint);
      else field.removeAttribute("aria-describedby");
      delete field.dataset.tried;
    }
  }

  async function test(form, button) {
    const place = document.getElementById("trial");
    forgetFaults(form);
    button.setAttribute("aria-busy", "true");
    try {
      if (!await mayBeSent(form)) return;
      const response = await fetch("/register/try", {
        method: "POST", body: new URLSearchParams(new FormData(form)), headers: { "HX-Request": "true", accept: "text/html" },
      });
      if (!response.ok) throw new Error(await refusal(response));
      const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("trial");
      place.replaceChildren(...fresh.childNodes);
      for (const fault of place.querySelectorAll("[data-fault]")) putBeside(form, fault);
      form.querySelector("[data-tried]")?.focus();
    } catch (error) {
      const words = Object.assign(document.createElement("p"), { className: "alert", textContent: error.message });
      place.replaceChildren(words);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }

  /* One registration, however often the button is pressed: the answer comes when the server has been asked. */
  const PATIENCE = 35_000;

  function hold(form, button) {
    form.dataset.sent = "yes";
    if (!button) return;
    button.dataset.word = button.textContent;
    button.textContent = "Checking…";
    button.setAttribute("aria-busy", "true");
    // Whoever has stopped the browser meanwhile may send it again.
    setTimeout(() => release(form), PATIENCE);
  }

  function release(form) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("[data-word]")) {
      button.textContent = button.dataset.word;
      delete button.dataset.word;
      button.removeAttribute("aria-busy");
    }
  }

  document.addEventListener("submit", (event) => {
    const { target: form, submitter: button } = event;
    if (form.dataset.sent) {
      event.preventDefault();
      event.stopImmediatePropagation();
      return;
    }
    if (button?.dataset.try === undefined) return;
    event.preventDefault();
    if (!button.getAttribute("aria-busy")) test(form, button);
  }, true);

  // After everybody who may keep it from being sent.
  document.addEventListener("submit", (event) => {
    if (!event.defaultPrevented && event.target.id === "server-form") hold(event.target, event.submitter);
  });

  // The browser may show this page again as it was left.
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) release(form);
  });

  document.addEventListener("DOMContentLoaded", () => {
    for (const place of document.querySelectorAll("[data-metadata]")) edit(place);
  });
})();
