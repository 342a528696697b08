// The keys that sign, those that are published, and tokens that nobody should believe.
import { createHash, createHmac, createPrivateKey, createPublicKey, generateKeyPairSync, sign } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { taken } from "./packages.mjs";

const { createLocalJWKSet, jwtVerify } = await taken("jose");

function fresh() {
  const jwk = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
  // Named by what it is: two starts never give one name to two keys.
  return { ...jwk, kid: createHash("sha256").update(jwk.n).digest("hex").slice(0, 16), use: "sig", alg: "RS256" };
}

/** With KEYFILE the key outlives a restart; without, every start is a rotation. */
function first() {
  const file = process.env.KEYFILE;
  if (file && existsSync(file)) return JSON.parse(readFileSync(file));
  const key = fresh();
  if (file) writeFileSync(file, JSON.stringify(key));
  return key;
}

/** The newest first: that is the one that signs. */
let published = [first()];
const foreign = fresh();

export const signing = () => published[0];
export const all = () => published;

export function rotate(keepOld) {
  published = [fresh(), ...(keepOld ? published : [])];
}

/** The claims of a token of ours; throws for any other, and for one that is over. */
export async function verified(token) {
  const keys = published.map(({ kty, n, e, kid, alg, use }) => ({ kty, n, e, kid, alg, use }));
  return (await jwtVerify(token, createLocalJWKSet({ keys }))).payload;
}

const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const signature = {
  current: (text) => sign("sha256", Buffer.from(text), createPrivateKey({ key: signing(), format: "jwk" })),
  foreign: (text) => sign("sha256", Buffer.from(text), createPrivateKey({ key: foreign, format: "jwk" })),
  none: () => Buffer.alloc(0),
  // Whoever lets the token choose the algorithm checks it with the published key as the shared secret.
  "hs256-with-public-key": (text) => {
    const pem = createPublicKey({ key: signing(), format: "jwk" }).export({ type: "spki", format: "pem" });
    return createHmac("sha256", pem).update(text).digest();
  },
};
const headers = {
  current: () => ({ alg: "RS256", kid: signing().kid }),
  foreign: () => ({ alg: "RS256", kid: foreign.kid }),
  none: () => ({ alg: "none" }),
  "hs256-with-public-key": () => ({ alg: "HS256", kid: signing().kid }),
};

/** Sign whatever it is. A header given as null is left out. */
export function minted(claims, header = {}, key = "current") {
  if (!signature[key]) throw new Error(`no such key: ${key}`);
  const said = Object.entries({ ...headers[key](), ...header }).filter(([, value]) => value !== null);
  const text = `${part(Object.fromEntries(said))}.${part(claims)}`;
  return `${text}.${signature[key](text).toString("base64url")}`;
}
