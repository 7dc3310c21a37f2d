"""An identity provider on loopback, and the checks that a program makes with what it issues.

Tokens are JWTs (RFC 7519) whose signature is an HMAC under a key that the provider shares with the program, as OpenID Connect allows for
`HS256`. The provider answers whether a token is active (RFC 7662), and issues the program a JWT-SVID of its own.
"""

import base64
import contextlib
import hashlib
import hmac
import http.server
import json
import secrets
import threading
import time
import urllib.parse
import urllib.request

PERSON = "u-20931"
WORKLOAD = "spiffe://example.org/support-bot"
AUDIENCE = "support-bot"
SCOPE = "chat"
LIFETIME = 300


def encode(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Denied(Exception):
    """A token that does not hold."""


class IdentityProvider:
    """Issues tokens, and says whether they are active."""

    def __init__(self):
        self.key, self.active = secrets.token_bytes(32), set()

    @contextlib.contextmanager
    def serving(self):
        """The provider, answering on loopback until the block ends."""
        provider = self

        class Introspection(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                length = min(int(self.headers.get("content-length") or 0), 1 << 16)
                form = urllib.parse.parse_qs(self.rfile.read(length).decode())
                body = json.dumps({"active": provider.is_active(form.get("token", [""])[0])}).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format, *args):
                """Says nothing."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Introspection)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.issuer = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()

    def sign_in(self, person=PERSON):
        """A person signs in: who they are, and the session they have from now on."""
        return {"sub": person, "sid": f"sess-{secrets.token_hex(4)}", "auth_time": int(time.time())}

    def access_token(self, signed_in):
        """A token for one task of a person who is signed in."""
        return self.issue({**signed_in, "aud": AUDIENCE, "scope": SCOPE, "txn": f"task-{secrets.token_hex(4)}"})

    def svid(self):
        """The program's own identity document."""
        return self.issue({"sub": WORKLOAD, "aud": self.issuer})

    def issue(self, claims):
        now = int(time.time())
        claims = {**claims, "iss": self.issuer, "jti": secrets.token_hex(8), "iat": now, "exp": now + LIFETIME}
        parts = [encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        self.active.add(claims["jti"])
        return ".".join([*parts, encode(self.mac(".".join(parts)))])

    def mac(self, signed):
        return hmac.digest(self.key, signed.encode(), hashlib.sha256)

    def is_active(self, token):
        try:
            claims = self.verify(token)
        except Denied:
            return False
        return claims["jti"] in self.active

    def verify(self, token):
        """The claims of a token whose signature and window hold."""
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(self.mac(signed), decode(signature)):
            raise Denied("the signature does not hold")
        claims = json.loads(decode(signed.split(".")[1]))
        if not claims["iat"] <= time.time() < claims["exp"]:
            raise Denied("outside its window")
        return claims

    def introspect(self, token):
        """Asks the provider over HTTP, as RFC 7662 has it."""
        form = urllib.parse.urlencode({"token": token}).encode()
        with urllib.request.urlopen(self.issuer, form, timeout=10) as answer:
            return json.load(answer)
