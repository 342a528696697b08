// GitHub's OAuth: plain OAuth 2.0, no OpenID. No discovery, no ID token, errors with status 200, an API to ask who it is.
import { createHash, randomBytes } from "node:crypto";
import { enabled, logsIn, named } from "./people.mjs";
import { AFTER_LOGOUT, REDIRECTS, WEB_SECRET } from "./provider.mjs";
import { bearer, body, json, loginPage, paged } from "./web.mjs";

const codes = new Map(); // code -> {user, redirect, challenge, scope}
const tokens = new Map(); // token -> {user, scope}
const sessions = new Map(); // cookie -> user
const secret = (prefix) => prefix + randomBytes(20).toString("hex");
const number = (login) => createHash("sha256").update(login).digest().readUInt32BE(0);

/** An access token without a login. */
export function githubToken(user, scope = "read:org,user:email") {
  const token = secret("gho_");
  tokens.set(token, { user, scope });
  return token;
}

async function authorize(req, res, { searchParams }, port) {
  const asked = Object.fromEntries(searchParams);
  const redirect = asked.redirect_uri ?? REDIRECTS[0];
  if (asked.client_id !== "web" || !REDIRECTS.includes(redirect)) {
    res.writeHead(404, { "content-type": "text/html" }).end("<h1>The redirect_uri is not associated with this application.</h1>");
    return;
  }
  // GitHub would take a request without; a client of ours never sends one (RFC 9700 section 2.1.1).
  if (!asked.code_challenge || asked.code_challenge_method !== "S256") {
    res.writeHead(400, { "content-type": "text/html" }).end("<h1>A code_challenge of the method S256 is required.</h1>");
    return;
  }
  const cookie = `_gh_session_${port}`;
  let user = sessions.get(new RegExp(`${cookie}=(\\w+)`).exec(req.headers.cookie ?? "")?.[1]);
  if (!user || !enabled(user)) {
    if (req.method !== "POST") return loginPage(res, "Test IdP (github)");
    const form = new URLSearchParams(await body(req));
    user = form.get("username");
    if (!logsIn(user, form.get("password"))) return loginPage(res, "Test IdP (github)", "Incorrect username or password.");
    const session = secret("");
    sessions.set(session, user);
    res.setHeader("set-cookie", `${cookie}=${session}; path=/; httponly; samesite=lax`);
  }
  const code = secret("");
  codes.set(code, { user, redirect, challenge: asked.code_challenge, scope: (asked.scope ?? "").split(/[ ,]+/).filter(Boolean).join(",") });
  const back = new URL(redirect);
  back.searchParams.set("code", code);
  if (asked.state !== undefined) back.searchParams.set("state", asked.state);
  res.writeHead(302, { location: back.href }).end();
}

function redeemed({ client_id: client, client_secret: given, code, redirect_uri: redirect, code_verifier: verifier }) {
  const wrong = (error, description) => ({ error, error_description: description, error_uri: "https://docs.github.com/" });
  if (client !== "web" || given !== WEB_SECRET) return wrong("incorrect_client_credentials", "The client_id and/or client_secret passed are incorrect.");
  const grant = codes.get(code);
  codes.delete(code);
  if (!grant) return wrong("bad_verification_code", "The code passed is incorrect or expired.");
  if (redirect && redirect !== grant.redirect) return wrong("redirect_uri_mismatch", "The redirect_uri is not that of the request.");
  const challenge = createHash("sha256").update(verifier ?? "").digest("base64url");
  if (challenge !== grant.challenge) return wrong("bad_verification_code", "The code_verifier is wrong.");
  return { access_token: githubToken(grant.user, grant.scope), token_type: "bearer", scope: grant.scope };
}

async function accessToken(req, res) {
  const text = await body(req);
  const asked = /json/.test(req.headers["content-type"] ?? "") ? JSON.parse(text) : Object.fromEntries(new URLSearchParams(text));
  const answer = redeemed(asked);
  if (/json/.test(req.headers.accept ?? "")) return json(res, 200, answer);
  res.writeHead(200, { "content-type": "application/x-www-form-urlencoded" });
  return res.end(new URLSearchParams(answer).toString());
}

const api = {
  "/user": (res, url, login, { name, email }) => json(res, 200, { login, id: number(login), name, email, type: "User" }),
  "/user/emails": (res, url, login, { email }) => paged(res, url, [{ email, primary: true, verified: true, visibility: null }]),
  "/user/orgs": (res, url, login, { orgs = [] }) => paged(res, url, orgs.map((org) => ({ login: org, id: number(org) }))),
  "/user/teams": (res, url, login, { teams = [] }) => paged(res, url, teams.map((team) => {
    const [organization, slug] = team.split("/");
    return { slug, name: slug, id: number(team), organization: { login: organization, id: number(organization) } };
  })),
};

function ask(req, res, url) {
  if (!req.headers["user-agent"]) return res.writeHead(403).end("Request forbidden by administrative rules. Please make sure your request has a User-Agent header.");
  const owner = tokens.get(bearer(req));
  if (!owner || !enabled(owner.user)) return json(res, 401, { message: "Bad credentials" });
  if (/orgs|teams/.test(url.pathname) && !/\b(read:org|admin:org|user)(,|$)/.test(owner.scope)) {
    return json(res, 403, { message: "You need at least read:org scope or user scope to list your organizations." });
  }
  return api[url.pathname](res, url, owner.user, named(owner.user));
}

export async function github(req, res, url, port) {
  if (url.pathname === "/login/oauth/authorize") return authorize(req, res, url, port);
  if (url.pathname === "/login/oauth/access_token" && req.method === "POST") return accessToken(req, res);
  // Not GitHub's: a place to come back to, so that a browser's walk can end somewhere.
  if (url.pathname === "/logout") return res.writeHead(302, { location: AFTER_LOGOUT[0] }).end();
  if (url.pathname in api && req.method === "GET") return ask(req, res, url);
  return json(res, 404, { message: "Not Found" });
}
