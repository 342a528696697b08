// The little HTTP that oidc-provider does not do for us.

export const HOST = "127.0.0.1";

export async function body(req) {
  let text = "";
  for await (const chunk of req) text += chunk;
  return text;
}

export function json(res, status, value, headers = {}) {
  res.writeHead(status, { "content-type": "application/json", ...headers });
  res.end(JSON.stringify(value));
}

export function bearer(req) {
  return /^(?:bearer|token) (.+)$/i.exec(req.headers.authorization ?? "")?.[1];
}

const escaped = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** The login page. Its ids are those of Keycloak's, so that one browser script drives both. */
export function loginPage(res, title, error) {
  res.setHeader("content-type", "text/html");
  res.end(`<!doctype html><html lang=en><title>Sign in</title><h1>${escaped(title)}</h1>
${error ? `<p id=error>${escaped(error)}</p>` : ""}<form method=post>
<label>User <input id=username name=username autofocus></label>
<label>Password <input id=password name=password type=password></label>
<button id=kc-login type=submit>Sign In</button></form></html>`);
}

/** One page of a list, with the Link header by which GitHub says where the next one is. */
export function paged(res, url, list) {
  const size = Math.min(Number(url.searchParams.get("per_page")) || 30, 100);
  const page = Number(url.searchParams.get("page")) || 1;
  const last = Math.max(Math.ceil(list.length / size), 1);
  const link = (to, rel) => {
    const there = new URL(url);
    there.searchParams.set("page", to);
    return `<${there}>; rel="${rel}"`;
  };
  const links = page < last ? [link(page + 1, "next"), link(last, "last")] : [];
  json(res, 200, list.slice((page - 1) * size, page * size), links.length ? { link: links.join(", ") } : {});
}
