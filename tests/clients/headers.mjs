// Adds one header to every request of the conformance suite, which has no option for that.
// Run in the folder that holds node_modules: HEADER='authorization: Bearer …' node --import …/headers.mjs …
import http from "node:http";
import { createRequire } from "node:module";

const { Agent, setGlobalDispatcher } = createRequire(`${process.cwd()}/`)("undici");
const [, name, value] = /^([^:]+):\s*(.*)$/.exec(process.env.HEADER);

function withHeader(headers) {
  if (Array.isArray(headers)) return [...headers, name, value];
  if (headers && typeof headers[Symbol.iterator] === "function") return [...headers, [name, value]];
  return { ...headers, [name]: value };
}

// Node's fetch and undici's request share one dispatcher.
const adding = (next) => (options, handler) => next({ ...options, headers: withHeader(options.headers) }, handler);
setGlobalDispatcher(new Agent().compose(adding));
const request = http.request;
http.request = (options, ...rest) => request({ ...options, headers: withHeader(options.headers) }, ...rest);
