// What the tokens and addresses of each vendor look like. The names and the oddities are the vendors' own.
import { groupsOf, guid, named, object, subject } from "./people.mjs";

export const PROFILE = process.env.PROFILE ?? "generic";
export const TENANT = "11111111-2222-3333-4444-555555555555";
export const PREFIX = {
  keycloak: "/realms/mcp", cognito: "/us-east-1_TESTPOOL", entra: `/${TENANT}/v2.0`, generic: "", github: "",
}[PROFILE];
if (PREFIX === undefined) throw new Error(`no such profile: ${PROFILE}`);

const openid = "/protocol/openid-connect";
/** Where the endpoints are, under the issuer. What is left out is where oidc-provider has it. */
export const ROUTES = {
  authorization: "/auth", token: "/token", jwks: "/jwks", userinfo: "/me", end_session: "/session/end", code_verification: "/device",
  ...{
    keycloak: {
      authorization: `${openid}/auth`, token: `${openid}/token`, jwks: `${openid}/certs`, userinfo: `${openid}/userinfo`,
      end_session: `${openid}/logout`, introspection: `${openid}/token/introspect`, revocation: `${openid}/revoke`,
      device_authorization: `${openid}/auth/device`, registration: "/clients-registrations/openid-connect",
    },
    cognito: {
      authorization: "/oauth2/authorize", token: "/oauth2/token", jwks: "/.well-known/jwks.json",
      userinfo: "/oauth2/userInfo", revocation: "/oauth2/revoke", end_session: "/logout",
    },
    entra: {
      authorization: "/oauth2/v2.0/authorize", token: "/oauth2/v2.0/token", jwks: "/discovery/v2.0/keys",
      userinfo: "/oidc/userinfo", end_session: "/oauth2/v2.0/logout", device_authorization: "/oauth2/v2.0/devicecode",
    },
  }[PROFILE],
};

/** What a vendor's server can do at all. */
export const CAN = {
  registers: PROFILE === "keycloak" || PROFILE === "generic",
  introspects: PROFILE === "keycloak" || PROFILE === "generic",
  devices: PROFILE !== "cognito",
  pushes: PROFILE === "keycloak" || PROFILE === "generic",
};

/** Who the callback says it comes from: right, wrong (the mix-up attack) or none, as with Entra and Cognito. */
export const NAMED = process.env.ISS_PARAM ?? (PROFILE === "keycloak" || PROFILE === "generic" ? "right" : "none");

/** More groups than this, and Entra says where to ask for them instead. */
const OVERAGE = 200;

const shapes = {
  keycloak: ({ kind, user, who, client, groups }) => ({
    typ: kind === "id" ? "ID" : "Bearer",
    azp: client,
    preferred_username: user ?? `service-account-${client}`,
    email: who?.email,
    name: who?.name,
    groups: groups.map((group) => (process.env.KC_FULL_PATH ? `/${group}` : group)),
    realm_access: { roles: ["offline_access", "default-roles-mcp"] },
    ...(user ? {} : { client_id: client, clientHost: "127.0.0.1" }),
  }),
  cognito: ({ kind, user, who, client, groups }) => (kind === "id"
    ? { token_use: "id", "cognito:username": user, "cognito:groups": groups, email: who?.email, email_verified: true }
    // A machine of Cognito's can be in no group.
    : { token_use: "access", client_id: client, version: 2, ...(user ? { username: user, "cognito:groups": groups } : {}) }),
  entra: ({ kind, user, who, client, scope, groups }) => {
    const oid = object(user ?? client);
    const common = { ver: "2.0", tid: TENANT, oid, ...(kind === "id" ? {} : { azp: client, appid: client, azpacr: "1" }) };
    if (!user) return { ...common, idtyp: "app", roles: groups };
    const endpoint = `https://graph.windows.net/${TENANT}/users/${oid}/getMemberObjects`;
    return {
      ...common,
      preferred_username: `${user}@example.test`,
      name: who?.name,
      wids: ["b79fbf4d-3ef9-4689-8143-76b194e85509"],
      scp: kind === "id" ? undefined : scope,
      ...(groups.length > OVERAGE
        ? { _claim_names: { groups: "src1" }, _claim_sources: { src1: { endpoint } } }
        : { groups: groups.map(guid) }),
    };
  },
  generic: ({ user, who, client, groups }) => ({ groups, email: who?.email, preferred_username: user ?? client }),
};

/** Every name that a shape uses: oidc-provider passes on only claims that it was told of. */
export const CLAIMS = ["groups", "cognito:groups", "cognito:username", "token_use", "typ", "azp", "preferred_username", "realm_access",
  "tid", "oid", "ver", "wids", "upn", "appid", "scp", "roles", "idtyp", "client_id", "azpacr", "clientHost", "version",
  "_claim_names", "_claim_sources"];

/** The vendor's claims: kind is "id" or "access"; user is null for a machine's. */
export function claims(kind, user, client, scope, groups = groupsOf(user ?? client)) {
  const all = shapes[PROFILE]({ kind, user, who: user && named(user), client, scope, groups });
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** oidc-provider demands an `aud` and sets a `typ`; a value that serialises to nothing takes them away. */
const GONE = { toJSON() {} };

/** Turn an access token of oidc-provider's into exactly the vendor's. `person` is whether it is of one. */
export function asVendor(token, person) {
  const header = (token.header ??= {});
  const { payload } = token;
  switch (PROFILE) {
    case "keycloak":
      header.typ = "JWT";
      if (person) delete payload.client_id;
      else payload.sub = subject(payload.azp);
      break;
    case "cognito":
      header.typ = GONE;
      payload.aud = GONE;
      break;
    case "entra":
      header.typ = "JWT";
      if (!person) payload.sub = payload.oid;
      for (const gone of ["client_id", "scope", process.env.ENTRA_V1 ? "azp" : "appid"]) delete payload[gone];
      if (process.env.ENTRA_V1) {
        Object.assign(payload, { ver: "1.0", iss: `https://sts.windows.net/${TENANT}/` });
        if (payload.preferred_username) payload.upn = payload.preferred_username;
        delete payload.preferred_username;
      }
      break;
    default:
  }
}

/** The audience of an access token for a resource. */
export const audience = (resource) => (PROFILE === "keycloak" ? "account" : resource);

/** What a token is for when nothing else was asked for; at Entra a scope says it. */
export const resourceOf = (scope = "") =>
  (PROFILE === "entra" && /(\S+)\/\.default\b/.exec(scope)?.[1]) || (process.env.DEFAULT_RESOURCE ?? "urn:gateway");
