// An OpenID provider on a free port of the loopback, and a user who signs in at it with a real client.
//
// It answers commands on standard input with one line of JSON each:
//   login ada@acme   signs in (authorization code flow, PKCE) → {"token": "…"}: an access token of the tenant acme
//   announce         publishes a key that does not sign yet → {"kid": "…"}
//   rotate           signs with the announced key from now on, or with a new one; the old ones stay published → {"kid": "…"}
//   forget           no longer publishes the keys that do not sign → {"kid": "…"}
//   counts           → {"discovery": …, "jwks": …}: how often these were fetched, the client's own fetches left out
//   down             stops listening → {"down": true}
// The first line tells the issuer: {"issuer": "http://127.0.0.1:…"}. It ends with its standard input.

import { createServer } from 'node:http';
import { generateKeyPairSync, webcrypto } from 'node:crypto';
import { createInterface } from 'node:readline';
import { Provider } from 'oidc-provider';
import * as client from 'openid-client';

// Node 18 has it, but not there, where the client looks.
globalThis.crypto ??= webcrypto;

const AUDIENCE = 'https://chat.example.test';
const CALLBACK = 'https://app.example.test/callback';
// What the client sends with its own fetches, so that they are not taken for the gateway's.
const OWN = 'x-own-client';

// The provider warns about what it should not be used for; this is no production.
console.warn = console.info = () => {};

const counts = { discovery: 0, jwks: 0 };
const PATHS = { '/.well-known/openid-configuration': 'discovery', '/jwks': 'jwks' };
// The first one signs.
let keys = [];
let announced;
let made = 0;
let answer;

const server = createServer((request, response) => {
  const counted = PATHS[request.url.split('?')[0]];
  if (counted && !request.headers[OWN]) counts[counted] += 1;
  answer(request, response);
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://127.0.0.1:${server.address().port}`;

function makeKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  made += 1;
  const kid = `key-${made}`;
  return { ...privateKey.export({ format: 'jwk' }), kid, use: 'sig', alg: 'RS256' };
}

/** A provider takes its keys once: other keys are another provider at the same address, as after a deployment. */
function publish(these) {
  keys = these;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'app', token_endpoint_auth_method: 'none', redirect_uris: [CALLBACK] }],
    jwks: { keys },
    scopes: ['openid', 'chat'],
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    extraTokenClaims: (_, token) => ({ org_id: token.accountId.split('@')[1] }),
    ttl: { AccessToken: 600, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
    features: {
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => AUDIENCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'chat',
          audience: AUDIENCE,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  answer = provider.callback();
}

async function login(user) {
  const own = { [client.customFetch]: (url, init) => fetch(url, { ...init, headers: { ...init.headers, [OWN]: '1' } }) };
  const config = await client.discovery(new URL(issuer), 'app', undefined, client.None(), {
    execute: [client.allowInsecureRequests],
    ...own,
  });
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const start = client.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: 'openid chat',
    resource: AUDIENCE,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
  });
  const callback = await browse(start, user);
  const checks = { pkceCodeVerifier: verifier, expectedState: state, idTokenExpected: true };
  const tokens = await client.authorizationCodeGrant(config, callback, checks, { resource: AUDIENCE });
  return tokens.access_token;
}

/** What a browser does from the sign-in link to the way back: follows, keeps cookies, fills in the forms. */
async function browse(start, user) {
  const cookies = new Map();
  const forms = [
    { prompt: 'login', login: user, password: 'any' },
    { prompt: 'consent' },
  ];
  let [url, init] = [start, {}];
  for (let step = 0; step < 20; step += 1) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { ...init, redirect: 'manual', headers: { cookie } });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    if (location) {
      [url, init] = [new URL(location, url), {}];
      if (url.href.startsWith(CALLBACK)) return url;
      continue;
    }
    const page = await response.text();
    const action = /<form[^>]* action="([^"]+)"/.exec(page)?.[1];
    const form = forms.shift();
    if (!action || !form) throw new Error(`no form to fill in at ${url}: ${response.status} ${page}`);
    [url, init] = [new URL(action, url), { method: 'POST', body: new URLSearchParams(form) }];
  }
  throw new Error('the sign-in leads nowhere');
}

const commands = {
  login: async (user) => ({ token: await login(user) }),
  announce: async () => {
    announced = makeKey();
    publish([...keys, announced]);
    return { kid: announced.kid };
  },
  rotate: async () => {
    const next = announced ?? makeKey();
    announced = undefined;
    publish([next, ...keys.filter((key) => key !== next)]);
    return { kid: next.kid };
  },
  forget: async () => {
    publish(keys.slice(0, 1));
    return { kid: keys[0].kid };
  },
  counts: async () => counts,
  down: async () => {
    const closed = new Promise((done) => server.close(done));
    server.closeAllConnections();
    await closed;
    return { down: true };
  },
};

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
await commands.rotate();
say({ issuer });
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...args] = line.trim().split(' ');
  try {
    say(await commands[name](...args));
  } catch (error) {
    say({ error: String(error?.stack ?? error), cause: String(error?.cause ?? '') });
  }
}
process.exit(0);
