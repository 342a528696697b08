// An identity provider for tests that imitates a vendor's. Run in the folder that holds node_modules:
//   PROFILE=keycloak|cognito|entra|generic|github PORT=0 node idp.mjs
// Prints "ready <issuer>" when it listens. PORT=0 takes a free port.
//   REDIRECT_URIS, POST_LOGOUT_URIS  of the client "web", with commas between
//   USERS            more people, as JSON; a password is the name unless given
//   WEB_AUTH         client_secret_basic | client_secret_post | none
//   ACCESS_TTL       seconds an access token lives (300)
//   DEFAULT_RESOURCE the audience when a client asks for none (urn:gateway)
//   OPAQUE=1         access tokens that say nothing
//   ISS_PARAM        right | wrong | none: what the callback says of its issuer; by default as the vendor does
//   KEYFILE          keeps the signing key over a restart
//   KC_FULL_PATH=1   Keycloak's groups as paths;  ENTRA_V1=1  Entra's tokens of version 1
// Clients: "web" (a login) and "m2m" (a machine). People: alice, bob, mallory; see people.mjs. Commands: control.mjs.
import http from "node:http";
import { control, seen } from "./control.mjs";
import { faults, front, renamed } from "./front.mjs";
import { github, githubToken } from "./github.mjs";
import { graph } from "./graph.mjs";
import { endIfDisabled, interaction, provider } from "./provider.mjs";
import { PREFIX, PROFILE } from "./shapes.mjs";
import { HOST } from "./web.mjs";

const server = http.createServer((req, res) => {
  answer(req, res).catch((error) => {
    console.error(error);
    if (!res.headersSent) res.statusCode = 500;
    res.end(String(error));
  });
});

const world = {
  renew() {
    world.op = provider(world.port, world.issuer);
    world.callback = world.op.callback();
  },
};

async function openid(req, res, url) {
  if (!url.pathname.startsWith(PREFIX)) return res.writeHead(404).end();
  if (url.pathname.startsWith(`${PREFIX}/interaction/`)) return interaction(world.op, req, res);
  if (await front(req, res, url, world.port)) return undefined;
  // Its discovery document at an address that does not follow from the issuer.
  if (url.pathname === `${PREFIX}/elsewhere`) req.url = `${PREFIX}/.well-known/openid-configuration`;
  renamed(res);
  await endIfDisabled(world.op, world.port, req);
  // oidc-provider learns from the difference of these two where it is mounted.
  req.originalUrl = req.url;
  req.url = req.url.slice(PREFIX.length) || "/";
  return world.callback(req, res);
}

const alone = { token: (_, { user, scope }) => ({ token: githubToken(user, scope) }) };

async function answer(req, res) {
  const url = new URL(req.url, `http://${HOST}:${world.port}`);
  if (url.pathname.startsWith("/_test/")) return control(world, req, res, url, PROFILE === "github" ? alone : {});
  seen(url.pathname);
  if (PROFILE === "github") return github(req, res, url, world.port);
  if (PROFILE === "entra" && url.pathname.startsWith("/v1.0/")) return faults.graph ? res.writeHead(503).end() : graph(req, res, url);
  return openid(req, res, url);
}

server.listen(Number(process.env.PORT ?? 0), HOST, () => {
  world.port = server.address().port;
  world.issuer = `http://${HOST}:${world.port}${PREFIX}`;
  if (PROFILE !== "github") world.renew();
  console.log("ready", world.issuer);
});
