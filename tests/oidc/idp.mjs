// An OpenID provider for tests, on loopback: `node idp.mjs PORT`, in a folder in which package.json is installed.
//
// KID and ALG name its one key, which is made at each start: start it again with another KID to rotate. The audience of a token is the
// resource that is asked for; one whose name ends in /short is valid for two seconds.
//
// With REDIRECT_URI people sign in to the client `console`, on the provider's own pages for development, with any password; with SIGNED_OUT_URI
// they come back there when they sign out. ISSUER is then
// another name of this machine, so that a browser takes the provider for another site. `ada` is in the group `audit`, others in none that
// anyone knows; the ID token of `wrong-nonce` has another nonce, that of `wrong-audience` is for another client, and both are signed.
import { generateKeyPairSync, sign } from 'node:crypto';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = process.env.ISSUER ?? `http://127.0.0.1:${port}`;
const alg = process.env.ALG ?? 'ES256';
const kid = process.env.KID ?? 'k1';
const pair = { RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }), ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519') }[alg]();
const signing = { ...pair.privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' };
// Its default client settings need an RSA key beside.
const rsa = { ...generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' }), kid: `${kid}-rsa`, alg: 'RS256', use: 'sig' };

const redirect = process.env.REDIRECT_URI;
const people = redirect === undefined ? [] : [{ client_id: 'console', client_secret: 'console-secret', redirect_uris: [redirect], grant_types: ['authorization_code'],
  response_types: ['code'], id_token_signed_response_alg: alg, post_logout_redirect_uris: process.env.SIGNED_OUT_URI ? [process.env.SIGNED_OUT_URI] : [] }];

const provider = new Provider(issuer, {
  clients: [...people, { client_id: 'collector', client_secret: 'collector-secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [] }],
  scopes: ['append', 'read', 'groups'],
  claims: { openid: ['sub'], groups: ['groups'] },
  conformIdTokenClaims: false,
  pkce: { required: () => true },
  findAccount: (_context, sub) => ({ accountId: sub, claims: () => ({ sub, groups: sub === 'ada' ? ['staff', 'audit'] : ['staff'] }) }),
  jwks: { keys: alg === 'RS256' ? [signing] : [signing, rsa] },
  features: {
    devInteractions: { enabled: redirect !== undefined },
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

/** An ID token with other claims, signed by the same key. */
function altered(token, claims) {
  const [header, payload] = token.split('.');
  const all = { ...JSON.parse(Buffer.from(payload, 'base64url')), ...claims };
  const signed = `${header}.${Buffer.from(JSON.stringify(all)).toString('base64url')}`;
  return `${signed}.${sign('sha256', Buffer.from(signed), { key: pair.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

provider.use(async (context, next) => {
  await next();
  const token = context.path === '/token' ? context.body?.id_token : undefined;
  if (token === undefined) return;
  const { sub } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  if (sub === 'wrong-nonce') context.body.id_token = altered(token, { nonce: 'of another sign-in' });
  if (sub === 'wrong-audience') context.body.id_token = altered(token, { aud: 'collector' });
});
provider.listen(port, '127.0.0.1', () => console.log('ready', issuer));
