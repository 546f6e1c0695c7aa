// The certified identity provider `oidc-provider` on a port of this machine, for tests.
//
//   node provider.mjs MODULES OPTIONS
//
// MODULES is the folder with the installed package, OPTIONS a JSON object: `port` (0: any), the
// `clients`, the claims of `accounts` and of `machines` by their ids, and the lifetime of access
// tokens. Every start makes new keys. Prints its address when it is ready.
//
// Beside the provider's own pages: `/test/account?id=ID` chooses who logs in from then on, and
// `/test/key-reads` tells how often the keys were read.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [modules, text] = process.argv.slice(2);
const { default: Provider } = await import(
  pathToFileURL(`${modules}/node_modules/oidc-provider/lib/index.js`)
);
const options = { port: 0, clients: [], accounts: {}, machines: {}, seconds: 600, ...JSON.parse(text) };

function key(type, parameters, alg) {
  const { privateKey } = generateKeyPairSync(type, parameters);
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use: 'sig', alg };
}

const server = createServer();
await new Promise((done) => server.listen(options.port, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: options.clients,
  cookies: { keys: [randomUUID()] },
  jwks: {
    keys: [key('ec', { namedCurve: 'P-256' }, 'ES256'), key('rsa', { modulusLength: 2048 }, 'RS256')],
  },
  claims: {
    openid: ['sub'],
    email: ['email', 'email_verified'],
    profile: ['name', 'groups', 'tenant'],
  },
  // The claims of a login are in its ID token.
  conformIdTokenClaims: false,
  pkce: { methods: ['S256'], required: () => true },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, resource) => ({
        scope: 'vultus',
        audience: resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL: options.seconds,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
  extraTokenClaims: (_context, token) => options.machines[token.clientId] ?? {},
  findAccount: (_context, id) => ({
    accountId: id,
    claims: () => ({ sub: id, ...options.accounts[id] }),
  }),
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: async (context) => {
    const grant = new context.oidc.provider.Grant({
      clientId: context.oidc.client.clientId,
      accountId: context.oidc.session.accountId,
    });
    grant.addOIDCScope('openid email profile');
    await grant.save();
    return grant;
  },
});

let account = Object.keys(options.accounts)[0];
let keyReads = 0;
provider.use(async (context, next) => {
  const { pathname, searchParams } = new URL(context.url, issuer);
  if (pathname === '/jwks') keyReads += 1;
  if (pathname === '/test/key-reads') {
    context.body = String(keyReads);
  } else if (pathname === '/test/account') {
    account = searchParams.get('id');
    context.body = 'done';
  } else if (pathname.startsWith('/interaction/')) {
    context.respond = false;
    // A native client asks for consent, too; the grant is that of `loadExistingGrant`.
    const result = { login: { accountId: account }, consent: {} };
    await provider.interactionFinished(context.req, context.res, result);
  } else {
    await next();
  }
});
server.on('request', provider.callback());
console.log(issuer);
