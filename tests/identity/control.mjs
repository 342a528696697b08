// What a test may do to the provider while it runs, under /_test/. JSON in, JSON out.
import { faults } from "./front.mjs";
import { minted, rotate, signing } from "./keys.mjs";
import { disable, everybody, groupsOf, move, named, subject } from "./people.mjs";
import { approveDevice, opaque, OPAQUE, TTL } from "./provider.mjs";
import { asVendor, audience, claims, PREFIX, PROFILE, resourceOf, ROUTES } from "./shapes.mjs";
import { body, json } from "./web.mjs";

const count = { paths: {}, named: {} };
const NAMES = new Map([
  [`${PREFIX}/.well-known/openid-configuration`, "discovery"],
  ...Object.entries(ROUTES).map(([name, path]) => [`${PREFIX}${path}`, name]),
]);

/** Remember that a path was asked for. */
export function seen(path) {
  count.paths[path] = (count.paths[path] ?? 0) + 1;
  const name = NAMES.get(path) ?? (path.startsWith("/v1.0/") ? "graph" : undefined);
  if (name) count.named[name] = (count.named[name] ?? 0) + 1;
}

/** The header and claims of a token of this vendor's, without a login. */
function vendors(issuer, { user = null, kind = "access", client = user ? "web" : "m2m", ttl = TTL, groups }) {
  if (user && !named(user)) throw new Error(`nobody is called ${user}`);
  const now = Math.floor(Date.now() / 1000);
  const scope = user ? "openid profile email groups" : "mcp:read";
  const sub = user ? subject(user) : client;
  const common = { sub, iat: now, exp: now + ttl, iss: issuer };
  const own = claims(kind, user, client, scope, groups ?? groupsOf(user ?? client));
  if (kind === "id") return { header: {}, payload: { auth_time: now, ...common, ...own, aud: client } };
  const token = { header: { typ: "at+jwt" }, payload: { jti: crypto.randomUUID(), scope, client_id: client, ...common, aud: audience(resourceOf()), ...own } };
  asVendor(token, Boolean(user));
  return token;
}

/** Claims laid over those of a proper token, if one is named; null takes a claim away. */
function mint(issuer, { claims: said = {}, header = {}, key, id_token: id, like }) {
  const base = like ? vendors(issuer, { ...like, kind: id ? "id" : like.kind }) : { header: id ? {} : { typ: "at+jwt" }, payload: {} };
  const merged = Object.entries({ ...base.payload, ...said }).filter(([, value]) => value !== null);
  return { token: minted(Object.fromEntries(merged), { ...base.header, ...header }, key), kid: signing().kid };
}

/** The commands. `world` is the running provider: `op` can be made anew. */
const commands = {
  rotate(world, { keep_old: keepOld = false }) {
    rotate(keepOld);
    world.renew();
    return { kid: signing().kid };
  },
  mint: (world, asked) => mint(world.issuer, asked),
  async token(world, asked) {
    const { user = null, kind = "access", client = user ? "web" : "m2m" } = asked;
    if (OPAQUE && kind === "access") return { token: await opaque(world.op, user, client) };
    const { header, payload } = vendors(world.issuer, asked);
    return { token: minted(payload, header), kid: signing().kid };
  },
  disable(world, { user, disabled = true }) {
    disable(user, disabled);
    return {};
  },
  groups(world, { user, ...what }) {
    move(user, what);
    return everybody()[user];
  },
  /** "token": [status, body] answers every question at the token endpoint, until null. */
  down(world, { jwks, token, graph }) {
    if (jwks !== undefined) faults.jwks = jwks;
    if (graph !== undefined) faults.graph = graph;
    if (token !== undefined) faults.token = token;
    return {};
  },
  /** Claims laid over every ID token from now on, signed as it was; none leave them as they are. */
  bend(world, { id_token: claims = null }) {
    faults.idToken = claims;
    return {};
  },
  /** Milliseconds before an answer. */
  slow(world, { jwks_ms: jwks, discovery_ms: discovery }) {
    faults.jwksMs = jwks ?? faults.jwksMs;
    faults.discoveryMs = discovery ?? faults.discoveryMs;
    return {};
  },
  async approve_device(world, { user_code: code, user, deny = false }) {
    if (!await approveDevice(world.op, code, user, deny)) throw new Error("nobody waits with this code");
    return {};
  },
  people: () => everybody(),
  /** A GET leaves the counters as they are; a POST sets them to nothing after it has told them. */
  seen(world, asked, method) {
    const told = { paths: { ...count.paths }, ...count.named };
    if (method === "POST") Object.assign(count, { paths: {}, named: {} });
    return told;
  },
};

export async function control(world, req, res, url, more = {}) {
  const command = { ...commands, ...more }[url.pathname.slice("/_test/".length)];
  if (!command) return json(res, 404, { error: "no such command", profile: PROFILE });
  try {
    const asked = JSON.parse((await body(req)) || "{}");
    return json(res, 200, await command(world, asked, req.method));
  } catch (error) {
    return json(res, 400, { error: error.message });
  }
}
