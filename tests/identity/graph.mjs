// The two questions of Microsoft Graph that a gateway asks about groups; on the same port as the imitated Entra.
import { verified } from "./keys.mjs";
import { enabled, groupsOf, guid, named, whose } from "./people.mjs";
import { bearer, body, json } from "./web.mjs";

const refuse = (res, status, code) => json(res, status, { error: { code, message: code } });

export async function graph(req, res, url) {
  const token = await verified(bearer(req) ?? "").catch(() => null);
  if (!token) return refuse(res, 401, "InvalidAuthenticationToken");
  const [, who, question] = /^\/v1\.0\/(me|users\/[^/]+)(?:\/(\w+))?$/.exec(url.pathname) ?? [];
  const app = token.idtyp === "app";
  // An application has no "me", and a person's token does not read other people.
  if (!who || (who === "me") === app) return refuse(res, 403, "Authorization_RequestDenied");
  const id = who === "me" ? token.oid : who.slice("users/".length);
  const user = whose(id);
  if (!user || !named(user)) return refuse(res, 404, "Request_ResourceNotFound");
  if (!question && req.method === "GET") {
    const { name, email } = named(user);
    return json(res, 200, { id, displayName: name, mail: email, userPrincipalName: `${user}@example.test`, accountEnabled: enabled(user) });
  }
  if ((question === "getMemberGroups" || question === "getMemberObjects") && req.method === "POST") {
    if (!/"securityEnabledOnly"\s*:\s*(true|false)/.test(await body(req))) return refuse(res, 400, "Request_BadRequest");
    return json(res, 200, { value: groupsOf(user).map(guid) });
  }
  return refuse(res, 404, "BadRequest");
}
