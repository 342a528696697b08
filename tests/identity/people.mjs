// Who can log in, and what they belong to. Tests change it while the provider runs.
import { createHash } from "node:crypto";

const people = {
  alice: { email: "alice@example.test", name: "Alice A", groups: ["mcp-registry-admin"], orgs: ["acme"], teams: ["acme/platform"] },
  bob: { email: "bob@example.test", name: "Bob B", groups: ["mcp-registry-user", "dev/readonly"] },
  // An organisation at GitHub can be given any free name, that of a group of the registry too.
  mallory: { email: "mallory@example.test", name: "Mallory M", groups: [], orgs: ["mcp-registry-admin"] },
  ...JSON.parse(process.env.USERS ?? "{}"), // {"name": {"password", "email", "name", "groups": […]}}
};
// Machines are in a group too, where the vendor can say so.
const machines = { m2m: { groups: ["mcp-registry-admin"] }, web: { groups: [] } };
const disabled = new Set();

/** The same GUID for the same text, as a vendor would give to a group or a person. */
export const guid = (text) =>
  /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? text
    : createHash("sha256").update(text).digest("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, "$1-$2-$3-$4-$5");

export const subject = (name) => guid(`sub:${name}`);
/** Entra's own id of somebody, which is not the subject of their tokens. */
export const object = (name) => guid(`oid:${name}`);
export const named = (name) => people[name];
export const groupsOf = (name) => (people[name] ?? machines[name])?.groups ?? [];
/** Whose subject or object id this is, of people and of machines. */
export const whose = (id) => [...Object.keys(people), ...Object.keys(machines)].find((name) => subject(name) === id || object(name) === id);
export const enabled = (name) => name in people && !disabled.has(name);

export function logsIn(name, password) {
  return enabled(name) && (people[name].password ?? name) === password;
}

export function disable(name, is = true) {
  if (is) disabled.add(name);
  else disabled.delete(name);
}

/** Change what somebody belongs to: groups, and at GitHub orgs and teams. */
export function move(name, { groups, orgs, teams }) {
  const who = people[name] ?? machines[name];
  if (!who) throw new Error(`nobody is called ${name}`);
  for (const [key, value] of Object.entries({ groups, orgs, teams })) if (value) who[key] = value;
}

/** Everybody with their ids, for tests that must know them beforehand. */
export function everybody() {
  const all = Object.entries({ ...people, ...machines });
  return Object.fromEntries(all.map(([name, who]) => [name, {
    sub: subject(name), oid: object(name), groups: who.groups ?? [], group_ids: (who.groups ?? []).map(guid), enabled: !disabled.has(name),
  }]));
}
