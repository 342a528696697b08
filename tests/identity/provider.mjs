// The OpenID provider itself: the package oidc-provider, made to look like a vendor's.
import { faults } from "./front.mjs";
import { all, minted } from "./keys.mjs";
import { taken } from "./packages.mjs";
import { enabled, logsIn, named, subject, whose } from "./people.mjs";
import { asVendor, audience, CAN, CLAIMS, claims, NAMED, PREFIX, PROFILE, resourceOf, ROUTES } from "./shapes.mjs";
import { body, loginPage } from "./web.mjs";

const { Provider } = await taken("oidc-provider");
const { createMemoryAdapter } = await taken("oidc-provider/lib/adapters/memory_adapter.js");

const list = (name, otherwise) => (process.env[name] ?? otherwise).split(",").filter(Boolean);
export const OPAQUE = process.env.OPAQUE === "1";
export const TTL = Number(process.env.ACCESS_TTL ?? 300);
const DEVICE = "urn:ietf:params:oauth:grant-type:device_code";
const SCOPES = ["openid", "offline_access", "profile", "email", "groups", "mcp:read", "mcp:write"];
export const WEB_SECRET = "web-secret-web-secret-web-secret";
export const REDIRECTS = list("REDIRECT_URIS", "http://127.0.0.1:19000/callback");
export const AFTER_LOGOUT = list("POST_LOGOUT_URIS", "http://127.0.0.1:19000/");

const clients = [
  {
    client_id: "web",
    client_secret: WEB_SECRET,
    redirect_uris: REDIRECTS,
    post_logout_redirect_uris: AFTER_LOGOUT,
    // A web application of Entra's asks its directory in its own name.
    grant_types: ["authorization_code", "refresh_token", ...(CAN.devices ? [DEVICE] : []), ...(PROFILE === "entra" ? ["client_credentials"] : [])],
    response_types: ["code"],
    token_endpoint_auth_method: process.env.WEB_AUTH ?? "client_secret_basic",
  },
  {
    client_id: "m2m",
    client_secret: "m2m-secret-m2m-secret-m2m-secret",
    redirect_uris: [],
    response_types: [],
    grant_types: ["client_credentials"],
    token_endpoint_auth_method: "client_secret_post",
  },
];

// Outside the provider, because a rotation of keys makes a new one and nobody shall be logged out by it.
const adapter = createMemoryAdapter();

function resourceServer(ctx, resource) {
  const asked = ctx?.oidc?.params?.scope?.split(" ").filter((scope) => scope.endsWith("/.default")) ?? [];
  return {
    scope: [...SCOPES, ...asked].join(" "),
    audience: audience(resource),
    accessTokenTTL: TTL,
    accessTokenFormat: OPAQUE ? "opaque" : "jwt",
    ...(OPAQUE ? {} : { jwt: { sign: { alg: "RS256" } } }),
  };
}

const person = (token) => (token.accountId ? whose(token.accountId) : null);

function configuration(port) {
  return {
    clients,
    adapter,
    jwks: { keys: all() },
    // One browser has one jar for all ports of a host: two providers must not overwrite each other's.
    cookies: {
      keys: ["only for tests"],
      names: { session: `_session_${port}`, interaction: `_interaction_${port}`, resume: `_resume_${port}` },
      long: { path: "/" },
      short: { path: "/" },
    },
    scopes: SCOPES,
    claims: { openid: ["sub"], profile: ["name", ...CLAIMS], email: ["email", "email_verified"], groups: ["groups", "cognito:groups"] },
    conformIdTokenClaims: false,
    async findAccount(ctx, accountId) {
      const user = whose(accountId);
      if (!enabled(user)) return undefined;
      const { email, name } = named(user);
      return {
        accountId,
        claims: async (use, scope) =>
          ({ sub: accountId, email, name, ...claims(use === "id_token" ? "id" : "access", user, ctx?.oidc?.client?.clientId, scope) }),
      };
    },
    extraTokenClaims: async (ctx, token) => claims("access", person(token), token.clientId, token.scope),
    formats: { customizers: { jwt: (ctx, token, parts) => asVendor(parts, Boolean(token.accountId)) } },
    routes: ROUTES,
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: async (ctx, client) => client.grantTypeAllowed("refresh_token"),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: CAN.introspects },
      revocation: { enabled: true },
      pushedAuthorizationRequests: { enabled: CAN.pushes },
      deviceFlow: { enabled: CAN.devices },
      registration: { enabled: CAN.registers, initialAccessToken: false },
      registrationManagement: { enabled: CAN.registers },
      rpInitiatedLogout: { enabled: true, logoutSource },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx) => (OPAQUE ? undefined : resourceOf(ctx.oidc?.params?.scope)),
        useGrantedResource: () => true,
        getResourceServerInfo: resourceServer,
      },
    },
    interactions: { url: (ctx, { uid }) => `${PREFIX}/interaction/${uid}` },
    ttl: { AccessToken: TTL, ClientCredentials: TTL, IdToken: 300, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600, DeviceCode: 600 },
  };
}

/** An ID token that says something else, under a good signature. */
function bent(token) {
  const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
  const said = Object.entries({ ...claims, ...faults.idToken }).filter(([, value]) => value !== null);
  return minted(Object.fromEntries(said));
}

/** Asks nobody whether they mean it, as the vendors do not when the hint is right. */
function logoutSource(ctx, form) {
  ctx.body = `<!doctype html><title>Logout</title>${form}<script>
document.forms[0].insertAdjacentHTML("beforeend", "<input type=hidden name=logout value=yes>"); document.forms[0].submit();</script>`;
}

export function provider(port, issuer) {
  const made = new Provider(issuer, configuration(port));
  made.use(async (ctx, next) => {
    await next();
    if (NAMED === "none" && ctx.oidc?.route === "discovery") delete ctx.body.authorization_response_iss_parameter_supported;
    if (faults.idToken && ctx.body?.id_token) ctx.body.id_token = bent(ctx.body.id_token);
  });
  made.on("server_error", (ctx, error) => console.error("server_error", error));
  return made;
}

/** oidc-provider stumbles over the session of somebody who is no more; the vendors end it. */
export async function endIfDisabled(op, port, req) {
  const id = new RegExp(`_session_${port}=([^;]+)`).exec(req.headers.cookie ?? "")?.[1];
  const session = id && await op.Session.find(id);
  if (session?.accountId && !enabled(whose(session.accountId))) await session.destroy();
}

async function granted(op, { accountId, clientId, grantId }, { missingOIDCScope, missingOIDCClaims, missingResourceScopes }) {
  const grant = grantId ? await op.Grant.find(grantId) : new op.Grant({ accountId, clientId });
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(" "));
  if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) grant.addResourceScope(resource, scopes.join(" "));
  return grant.save();
}

/** The pages between authorize and callback: a login form; consent is given by itself. */
export async function interaction(op, req, res) {
  const { prompt, session, params, grantId } = await op.interactionDetails(req, res);
  if (prompt.name === "consent") {
    const parties = { accountId: session.accountId, clientId: params.client_id, grantId };
    const consent = { grantId: await granted(op, parties, prompt.details) };
    return op.interactionFinished(req, res, { consent }, { mergeWithLastSubmission: true });
  }
  if (req.method !== "POST") return loginPage(res, `Test IdP (${PROFILE})`);
  const form = new URLSearchParams(await body(req));
  const user = form.get("username");
  if (!logsIn(user, form.get("password"))) return loginPage(res, `Test IdP (${PROFILE})`, "Invalid username or password.");
  return op.interactionFinished(req, res, { login: { accountId: subject(user) } }, { mergeWithLastSubmission: false });
}

const EVERYTHING = "openid profile email groups offline_access";

/** What a login would have given to the client, without one. */
async function consented(op, user, clientId) {
  const grant = new op.Grant({ accountId: subject(user), clientId });
  grant.addOIDCScope(EVERYTHING);
  grant.addResourceScope(resourceOf(), SCOPES.join(" "));
  return grant.save();
}

/** Say yes on a device's behalf, as its owner would on the page. False when nobody waits with this code. */
export async function approveDevice(op, userCode, user, denied) {
  const code = await op.DeviceCode.findByUserCode(userCode.replace(/[^a-z0-9]/gi, "").toUpperCase());
  if (!code) return false;
  if (denied) Object.assign(code, { error: "access_denied", errorDescription: "End-User aborted interaction" });
  else {
    const scope = code.params.scope ?? "openid";
    const grantId = await consented(op, user, code.clientId);
    const resource = code.params.resource ?? (OPAQUE ? undefined : resourceOf(scope));
    Object.assign(code, { accountId: subject(user), authTime: Math.floor(Date.now() / 1000), grantId, scope, resource });
  }
  await code.save();
  return true;
}

/** An access token that only this server can read. */
export async function opaque(op, user, clientId) {
  const client = await op.Client.find(clientId);
  const machine = () => new op.ClientCredentials({ client, scope: "mcp:read" });
  const owned = async () => new op.AccessToken({
    client, accountId: subject(user), scope: EVERYTHING, grantId: await consented(op, user, clientId), gty: "authorization_code", claims: {},
  });
  const token = user ? await owned() : machine();
  token.extra = claims("access", user, clientId, token.scope);
  return token.save();
}
