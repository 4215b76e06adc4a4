// An authorization server for the tests: oidc-provider on a free loopback port, its keys changed while it runs.
//
// node server.mjs FOLDER, where FOLDER holds node_modules. It reads lines of JSON from standard input, and
// answers each with one line of JSON when that is in force:
//   {"clients": [...]}     whom to give tokens to, as client metadata
//   {"keys": ["b", "a"]}   the keys to publish, made when first named; the first one signs
//   {}                     nothing new
// The answer tells the issuer, and how often its keys were asked for. It ends with its standard input.

import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const modules = createRequire(join(process.argv[2], 'node_modules', 'of'));
const { Provider } = await import(pathToFileURL(modules.resolve('oidc-provider')).href);

const LIFETIME = 300;
const made = new Map();
let clients = [];
let keys = ['first'];
let reads = 0;
let answer;

const server = createServer((request, response) => {
  reads += request.url === '/jwks';
  answer(request, response);
});
await new Promise((ready) => { server.listen(0, '127.0.0.1', ready); });
const issuer = `http://127.0.0.1:${server.address().port}`;

function key(kid) {
  if (!made.has(kid)) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    made.set(kid, { ...privateKey.export({ format: 'jwk' }), kid, alg: 'ES256', use: 'sig' });
  }
  return made.get(kid);
}

// A provider reads its keys once. So a new one takes over, as when a server is started anew with other keys.
function takeOver() {
  const provider = new Provider(issuer, {
    clients,
    clientDefaults: {
      grant_types: ['client_credentials'],
      id_token_signed_response_alg: 'ES256',
      redirect_uris: [],
      response_types: [],
    },
    jwks: { keys: keys.map(key) },
    responseTypes: [],
    scopes: ['entry.create'],
    ttl: { ClientCredentials: LIFETIME },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        // As from a proxy before it that ends TLS.
        getCertificate: (context) => decodeURIComponent(context.get('client-certificate')),
      },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (context, resource) => ({
          audience: new URL(resource).hostname.split('.')[0],
          scope: 'entry.create',
          accessTokenFormat: 'jwt',
          accessTokenTTL: LIFETIME,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  });
  provider.on('server_error', (context, error) => console.error(error));
  answer = provider.callback();
}

for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line);
  clients = told.clients ?? clients;
  keys = told.keys ?? keys;
  if (told.clients || told.keys) takeOver();
  console.log(JSON.stringify({ issuer, reads }));
}
process.exit(0);
