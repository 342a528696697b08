// Calls a tool through the gateway, as any client would, with the session of whoever looks at the page: the gateway
// decides here as everywhere whether the call may be made.
"use strict";

(() => {
  const LEGACY = "2025-11-25";
  const MODERN = "2026-07-28";
  const CLIENT = { name: "gatehouse-pages", version: "1" };
  const PATIENCE = 60_000;

  /** A message of a body that is JSON, or a stream of events. */
  async function answer(response, id) {
    const text = await response.text();
    const events = (response.headers.get("content-type") ?? "").startsWith("text/event-stream")
      ? text.split(/\r?\n\r?\n/).map((event) => event.split(/\r?\n/).filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n"))
      : [text];
    for (const event of events) {
      try {
        const message = JSON.parse(event);
        if (message.id === id || message.error) return message;
      } catch { /* Not a message. */ }
    }
    throw new Error(`status ${response.status}: ${text.slice(0, 300) || response.statusText}`);
  }

  const ascii = (text) => /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith("=?")
    ? text : `=?base64?${btoa(String.fromCharCode(...new TextEncoder().encode(text)))}?=`;

  function post(mount, message, headers, signal) {
    return fetch(`${mount}/mcp`, {
      method: "POST", signal, body: JSON.stringify({ jsonrpc: "2.0", ...message }),
      headers: { "content-type": "application/json", accept: "application/json, text/event-stream", ...headers },
    });
  }

  /** 2026-07-28 and later: one POST. */
  async function modern(mount, name, args, signal) {
    const meta = {
      "io.modelcontextprotocol/protocolVersion": MODERN,
      "io.modelcontextprotocol/clientInfo": CLIENT,
      "io.modelcontextprotocol/clientCapabilities": {},
    };
    const headers = { "mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": ascii(name) };
    const params = { name, arguments: args, _meta: meta };
    return answer(await post(mount, { id: 1, method: "tools/call", params }, headers, signal), 1);
  }

  /** Before that: a session is opened, used once, and ended. */
  async function legacy(mount, name, args, signal) {
    const params = { protocolVersion: LEGACY, capabilities: {}, clientInfo: CLIENT };
    const opened = await post(mount, { id: 1, method: "initialize", params }, {}, signal);
    const hello = await answer(opened, 1);
    if (hello.error) return hello;
    const session = opened.headers.get("mcp-session-id");
    const headers = { "mcp-protocol-version": hello.result.protocolVersion, ...(session && { "mcp-session-id": session }) };
    await post(mount, { method: "notifications/initialized" }, headers, signal);
    const called = await answer(await post(mount, { id: 2, method: "tools/call", params: { name, arguments: args } }, headers, signal), 2);
    if (session) fetch(`${mount}/mcp`, { method: "DELETE", headers }).catch(() => {});
    return called;
  }

  /** HTTP+SSE of 2024-11-05: answers come over a stream that stays open. */
  function sse(mount, name, args, signal) {
    return new Promise((resolve, reject) => {
      const stream = new EventSource(`${mount}/sse`);
      let address;
      const end = (settle, value) => {
        stream.close();
        settle(value);
      };
      const tell = (message) => fetch(address, { method: "POST", signal, headers: { "content-type": "application/json" }, body: JSON.stringify({ jsonrpc: "2.0", ...message }) })
        .then((response) => response.ok || answer(response, message.id).then((message) => end(resolve, message)))
        .catch((error) => end(reject, error));
      signal.addEventListener("abort", () => end(reject, signal.reason));
      stream.addEventListener("error", () => end(reject, new Error("the stream of the server does not open")));
      stream.addEventListener("endpoint", (event) => {
        address = new URL(event.data, `${location.origin}${mount}/sse`);
        if (address.origin !== location.origin) return end(reject, new Error("the server names an address elsewhere"));
        tell({ id: 1, method: "initialize", params: { protocolVersion: "2024-11-05", capabilities: {}, clientInfo: CLIENT } });
      });
      stream.addEventListener("message", (event) => {
        const message = JSON.parse(event.data);
        if (message.id === 1 && !message.error) {
          tell({ method: "notifications/initialized" });
          tell({ id: 2, method: "tools/call", params: { name, arguments: args } });
        } else if (message.id === 1 || message.id === 2) end(resolve, message);
      });
    });
  }

  const WAYS = { modern, sse, "streamable-http": legacy };

  /* The form, from the schema of the arguments. */
  const make = (name, properties = {}, ...children) => {
    const element = Object.assign(document.createElement(name), properties);
    element.append(...children);
    return element;
  };

  /* What one form may cost: a schema is its server's to write, and may refer to itself. */
  const MOST_FIELDS = 40;
  const MOST_CHOICES = 500;
  const MOST_WORK = 20_000;

  /** A whole schema, and how many members may still be looked at to follow what it refers to. */
  const opened = (schema) => ({ schema, left: MOST_WORK });

  function spend(whole, work) {
    whole.left -= work;
    if (whole.left < 0) throw new Error("this schema refers to too much");
  }

  /** Two schemas as one: what is said in the second counts. */
  function merged(inner, around, whole) {
    spend(whole, Object.keys(inner).length + Object.keys(around).length + 1);
    return { ...inner, ...around };
  }

  /** A schema with what it refers to within the whole one in its place; what is said beside the reference counts. */
  function resolved(schema, whole) {
    let now = schema;
    while (now && typeof now === "object") {
      // One thing of which all must hold is that thing; so are references with a description written.
      const [only, ...others] = Array.isArray(now.allOf) ? now.allOf.slice(0, 2) : [];
      if (only && typeof only === "object" && !others.length) {
        const { allOf, ...around } = now;
        now = merged(only, around, whole);
      } else if (typeof now.$ref === "string" && now.$ref.startsWith("#/")) {
        const { $ref, ...around } = now;
        const steps = $ref.slice(2).split("/").map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
        spend(whole, steps.length);
        const found = steps.reduce((at, step) => (at && Object.hasOwn(at, step) ? at[step] : undefined), whole.schema);
        if (!found || typeof found !== "object") return around;
        now = merged(found, around, whole);
      } else break;
    }
    return now;
  }

  const allowsNull = (schema) => schema?.type === "null" || schema?.const === null;

  /** A schema that allows null besides one thing is of that thing, and an empty field is its null. What is said around it counts. */
  function unwrapped(said, whole) {
    const schema = resolved(said, whole);
    for (const word of ["anyOf", "oneOf"]) {
      // One thing, and null: of more than that no field is made.
      if (!Array.isArray(schema[word]) || schema[word].length > 2) continue;
      const ways = schema[word].map((way) => resolved(way, whole)).filter((way) => !allowsNull(way));
      if (ways.length !== 1 || !ways[0] || typeof ways[0] !== "object") continue;
      const { [word]: all, ...around } = schema;
      const inner = unwrapped(merged(ways[0], around, whole), whole);
      return { ...inner, isNullable: inner.isNullable || all.length > 1 };
    }
    const isNullable = [schema.type].flat().includes("null") || schema.enum?.includes?.(null);
    return { schema, isNullable };
  }

  function choicesOf(schema) {
    if (schema.const !== undefined) return [schema.const];
    if (!Array.isArray(schema.enum) || schema.enum.length > MOST_CHOICES) return null;
    return schema.enum.filter((choice) => choice !== null);
  }

  function field(name, said, isRequired, id, whole) {
    const { schema, isNullable } = unwrapped(said, whole);
    // Null is said by an empty field, so it needs none.
    const required = isRequired && !isNullable;
    const types = [schema.type ?? (schema.enum ? "string" : "json")].flat().filter((type) => type !== "null");
    const choices = choicesOf(schema);
    const label = make("label", { htmlFor: id }, make("bdi", { textContent: String(schema.title ?? name).slice(0, 200) }));
    if (!required) label.append(" ", make("span", { className: "hint", textContent: "may stay empty" }));
    let input;
    let type = types.length === 1 ? types[0] : "json";
    if (choices) {
      type = "choice";
      input = make("select", {}, ...(required ? [] : [make("option", { value: "", textContent: "–" })]), ...choices.map((choice, at) => make("option", { value: String(at), textContent: typeof choice === "string" ? choice : JSON.stringify(choice) })));
    } else if (type === "boolean") {
      input = make("select", {}, ...(required ? [] : [make("option", { value: "", textContent: "–" })]), make("option", { value: "true", textContent: "true" }), make("option", { value: "false", textContent: "false" }));
    } else if (type === "integer" || type === "number") {
      input = make("input", { type: "number", step: type === "integer" ? "1" : "any" });
      if (schema.minimum !== undefined) input.min = schema.minimum;
      if (schema.maximum !== undefined) input.max = schema.maximum;
    } else if (type === "string") {
      input = make("input", { type: "text" });
      if (schema.maxLength > 0 && schema.maxLength < 1e9) input.maxLength = schema.maxLength;
    } else {
      type = "json";
      input = make("textarea", { rows: 3, placeholder: "as JSON", className: "mono", spellcheck: false });
    }
    input.id = id;
    input.required = required && type !== "string";
    if (schema.default !== undefined && schema.default !== null) {
      const known = choices ? choices.findIndex((choice) => JSON.stringify(choice) === JSON.stringify(schema.default)) : schema.default;
      if (known !== -1 || !choices) input.value = typeof known === "object" ? JSON.stringify(known) : String(known);
    }
    const parts = [label, input];
    if (schema.description) {
      const hint = make("span", { className: "hint", dir: "auto", id: `${id}-hint`, textContent: String(schema.description).slice(0, 600) });
      input.setAttribute("aria-describedby", hint.id);
      parts.push(hint);
    }
    const read = () => {
      const text = input.value;
      if (text === "" && isRequired && isNullable) return null;
      if (text === "" && (!required || type !== "string")) return undefined;
      if (type === "choice") return choices[Number(text)];
      if (type === "boolean") return text === "true";
      if (type === "integer" || type === "number") return Number(text);
      if (type === "string") return text;
      try {
        return JSON.parse(text);
      } catch {
        throw new Error(`${name}: this is not JSON`);
      }
    };
    return { parts, read, name };
  }

  function asJson(id) {
    const label = make("label", { htmlFor: id, textContent: "Arguments as JSON" });
    const input = make("textarea", { id, rows: 5, className: "mono", spellcheck: false, value: "{}" });
    return { parts: [label, input], read: () => JSON.parse(input.value), name: null };
  }

  /** A field for each argument; none where one for all of them is better. */
  function fieldsOf(schema, id) {
    const properties = Object.entries(schema.properties ?? {});
    // A tool that names no argument takes none, unless it says that it takes any.
    const isOpen = !properties.length && Boolean(schema.additionalProperties);
    if (isOpen || properties.length > MOST_FIELDS || !properties.every(([, one]) => one && typeof one === "object")) return null;
    // The order of their author is lost but for the required ones, and those come first.
    const ranks = new Map((Array.isArray(schema.required) ? schema.required : []).map((name, at) => [name, at]));
    const rank = (name) => ranks.get(name) ?? ranks.size;
    properties.sort(([one], [other]) => rank(one) - rank(other));
    const whole = opened(schema);
    try {
      return properties.map(([name, one], at) => field(name, one, ranks.has(name), `${id}-${at}`, whole));
    } catch {
      // A schema that no form can be made of: its server says what is wrong with the arguments.
      return null;
    }
  }

  function build(tool, number) {
    const form = tool.querySelector("[data-call]");
    const home = tool.closest("[data-mount]");
    if (!form || form.childElementCount || home.dataset.enabled !== "true") return;
    let schema = {};
    try {
      schema = JSON.parse(tool.querySelector("[data-schema]").textContent) ?? {};
    } catch { /* A schema that cannot be read has no fields. */ }
    const fields = fieldsOf(schema, `tool-${number}`) ?? [asJson(`tool-${number}-all`)];
    const button = make("button", { type: "submit", textContent: "Call" });
    const place = make("div", { className: "answer" });
    place.setAttribute("aria-live", "polite");
    form.append(...fields.flatMap(({ parts }) => parts), make("p", { className: "buttons" }, button), place);
    form.hidden = false;
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      event.stopPropagation();
      try {
        // A name may be one that objects have of themselves.
        const args = Object.create(null);
        for (const { read, name } of fields) {
          const value = read();
          if (name === null) Object.assign(args, value);
          else if (value !== undefined) args[name] = value;
        }
        button.setAttribute("aria-busy", "true");
        await call(home.dataset, tool.dataset.tool, args, place);
      } catch (error) {
        tell(place, "bad", error.message, null);
      } finally {
        button.removeAttribute("aria-busy");
      }
    });
  }

  /** A part of an answer as a text, whatever a server makes of it. */
  function told(part) {
    if (part?.type === "text" && typeof part.text === "string") return part.text;
    return JSON.stringify(part?.data ? { ...part, data: `${String(part.data).length} characters` } : part, null, 2);
  }

  async function call({ mount, transport }, name, args, place) {
    const began = performance.now();
    const signal = AbortSignal.timeout(PATIENCE);
    const way = WAYS[transport] ?? legacy;
    const message = await way(mount, name, args, signal);
    const took = `${Math.round(performance.now() - began)} ms`;
    if (message.error) {
      const { code, message: words, data } = message.error;
      return tell(place, "bad", `Refused, ${took}: ${words} (${code})`, data);
    }
    const { content, structuredContent, isError } = message.result ?? {};
    const texts = (Array.isArray(content) ? content : []).map(told);
    const shown = structuredContent && !texts.length ? JSON.stringify(structuredContent, null, 2) : texts.join("\n");
    tell(place, isError ? "bad" : "good", isError ? `The tool failed, ${took}` : `Answered, ${took}`, shown || JSON.stringify(message.result, null, 2));
  }

  function tell(place, tone, words, text) {
    const parts = [make("p", { className: `state ${tone}`, textContent: words })];
    if (text) parts.push(make("pre", { tabIndex: 0, textContent: typeof text === "string" ? text.slice(0, 200_000) : JSON.stringify(text, null, 2) }));
    place.replaceChildren(...parts);
  }

  /* A form is built when its tool is opened: a server may have thousands. */
  let number = 0;
  document.addEventListener("toggle", ({ target }) => {
    if (target.open && target.matches("[data-tool]")) build(target, number++);
  }, true);
  document.addEventListener("gatehouse:alive", (event) => {
    for (const tool of event.detail.querySelectorAll?.("[data-tool][open]") ?? []) build(tool, number++);
  });

  /* The tool that somebody came for. */
  document.addEventListener("DOMContentLoaded", () => {
    const wanted = new URLSearchParams(location.search).get("tool");
    const tool = wanted && [...document.querySelectorAll("[data-tool]")].find((tool) => tool.dataset.tool === wanted);
    if (!tool) return;
    tool.open = true;
    tool.querySelector("summary").focus();
    tool.scrollIntoView({ block: "start" });
  });
})();
