// What the vendors' servers do and oidc-provider does not, or not in their way. Answers true when it has answered.
import { verified } from "./keys.mjs";
import { enabled, named, whose } from "./people.mjs";
import { AFTER_LOGOUT } from "./provider.mjs";
import { claims, NAMED, PREFIX, PROFILE, ROUTES } from "./shapes.mjs";
import { bearer, json } from "./web.mjs";

/** Faults that a test has switched on. */
export const faults = { jwks: false, jwksMs: 0, discoveryMs: 0, graph: false, token: null, idToken: null };
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** oidc-provider refuses its own JWT here; every vendor takes it. */
async function userinfo(req, res) {
  try {
    const { sub } = await verified(bearer(req));
    const user = whose(sub);
    if (!enabled(user)) throw new Error("no such user");
    const { email, name } = named(user);
    const { groups } = claims("access", user);
    const more = { keycloak: { groups, preferred_username: user }, cognito: { username: user }, generic: { groups, preferred_username: user } };
    json(res, 200, { sub, email, name, ...more[PROFILE] });
  } catch {
    json(res, 401, { error: "invalid_token" }, { "www-authenticate": 'Bearer error="invalid_token"' });
  }
}

/** Cognito knows nothing of the standard's logout: the client and one of its registered addresses, or an error page. */
function cognitoLogout(res, { searchParams }, port) {
  const back = searchParams.get("logout_uri");
  if (searchParams.get("client_id") !== "web" || !AFTER_LOGOUT.includes(back)) {
    res.writeHead(400, { "content-type": "text/html" }).end("<h1>Error</h1><p>client_id and a registered logout_uri are required</p>");
    return;
  }
  const over = [`_session_${port}`, `_session_${port}.sig`].map((name) => `${name}=; path=/; max-age=0`);
  res.writeHead(302, { location: back, "set-cookie": over }).end();
}

export async function front(req, res, url, port) {
  const path = url.pathname.slice(PREFIX.length);
  if (path === "/.well-known/openid-configuration" && faults.discoveryMs) await pause(faults.discoveryMs);
  if (path === ROUTES.jwks) {
    if (faults.jwksMs) await pause(faults.jwksMs);
    if (faults.jwks) res.writeHead(503).end();
    return faults.jwks;
  }
  if (path === ROUTES.token && faults.token) {
    json(res, ...faults.token);
    return true;
  }
  if (path === ROUTES.userinfo && bearer(req)?.split(".").length === 3) {
    await userinfo(req, res);
    return true;
  }
  if (PROFILE === "cognito" && path === ROUTES.end_session) {
    cognitoLogout(res, url, port);
    return true;
  }
  return false;
}

/** See to it that a redirect to a client names the issuer that the test wants named. */
export function renamed(res) {
  if (NAMED === "right") return;
  const set = res.setHeader.bind(res);
  res.setHeader = (name, value) => {
    if (name.toLowerCase() !== "location" || !/[?&]iss=/.test(value)) return set(name, value);
    const there = new URL(value);
    if (NAMED === "wrong") there.searchParams.set("iss", "http://127.0.0.1:9/somebody-else");
    else there.searchParams.delete("iss");
    return set(name, there.href);
  };
}
