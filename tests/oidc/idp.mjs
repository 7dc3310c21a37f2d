// An OpenID provider for tests, on loopback: `node idp.mjs PORT`, in a folder in which package.json is installed.
//
// KID and ALG name its one key, which is made at each start: start it again with another KID to rotate. The audience of a token is the
// resource that is asked for; one whose name ends in /short is valid for two seconds.
import { generateKeyPairSync } from 'node:crypto';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const alg = process.env.ALG ?? 'ES256';
const kid = process.env.KID ?? 'k1';
const pair = { RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }), ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519') }[alg]();
const signing = { ...pair.privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
// Its default client settings need an RSA key beside.
const rsa = { ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), kid: `${kid}-rsa`, alg: 'RS256', use: 'sig' };

const provider = new Provider(issuer, {
  clients: [{ client_id: 'collector', client_secret: 'collector-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
  scopes: ['append', 'read'],
  jwks: { keys: alg === 'RS256' ? [signing] : [signing, rsa] },
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, resource) => ({
        scope: 'append read', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: resource.endsWith('/short') ? 2 : 600,
        jwt: { sign: { alg } },
      }),
    },
  },
});
provider.listen(port, '127.0.0.1', () => console.log('ready', issuer));
