"""Verifies an SD-JWT (RFC 9901) with a public key and prints the claims that it discloses, as JSON.

    pip install sd-jwt==0.10.4
    python3 tools/sd_jwt_verify.py KEY [SD_JWT]

KEY is a JSON Web Key, a file with one, or a vkey (`name+id+base64`) with an Ed25519 key, such as a gateway's opening of a
stream names. SD_JWT is a file with the SD-JWT, or a presentation file of Vouchlog, which has one in it; without it, the
SD-JWT comes on standard input.

It is all the work of another implementation than Vouchlog's: the package sd-jwt of the OpenWallet Foundation, and jwcrypto. It
says that the key signed what is shown, and nothing about whose key it is or what was logged.
"""

import base64
import hashlib
import json
import os
import sys

from jwcrypto.jwk import JWK
from sd_jwt.verifier import SDJWTVerifier

TYPE = "interaction+sd-jwt"


def public_key(text):
    """The key and, from a vkey, its ID."""
    if os.path.exists(text):
        with open(text, encoding="utf-8") as file:
            text = file.read().strip()
    if text.startswith("{"):
        return JWK.from_json(text), json.loads(text).get("kid")
    _, key_id, encoded = text.split("+", 2)
    key = base64.b64decode(encoded, validate=True)
    if len(key) != 33 or key[0] not in (1, 4):
        raise ValueError("the vkey is not that of an Ed25519 key")
    x = base64.urlsafe_b64encode(key[1:]).rstrip(b"=").decode()
    return JWK(kty="OKP", crv="Ed25519", x=x), key_id


def verify(sd_jwt, key, key_id):
    """The disclosed claims; raises if anything does not hold."""
    def issuer_key(_issuer, header):
        if header.get("alg") != "EdDSA" or header.get("typ") != TYPE:
            raise ValueError(f"the header is not that of a statement: {header}")
        if key_id is not None and header.get("kid") != key_id:
            raise ValueError(f"it is signed by the key {header.get('kid')}, not by {key_id}")
        return key

    claims = SDJWTVerifier(sd_jwt, issuer_key).get_verified_payload()
    check_all_used(sd_jwt)
    return claims


def check_all_used(sd_jwt):
    """Each disclosure belongs to a digest (RFC 9901 section 7.1, step 5), which the package does not check."""
    jwt, *disclosures, _ = sd_jwt.split("~")
    parts = [jwt.split(".")[1], *disclosures]
    shown = b"\n".join(base64.urlsafe_b64decode(part + "==") for part in parts)
    for disclosure in disclosures:
        digest = base64.urlsafe_b64encode(hashlib.sha256(disclosure.encode()).digest()).rstrip(b"=")
        if digest not in shown:
            raise ValueError("a disclosure belongs to no digest")


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    if len(sys.argv) == 3:
        with open(sys.argv[2], encoding="utf-8") as file:
            text = file.read().strip()
    else:
        text = sys.stdin.read().strip()
    if text.startswith("{"):
        text = json.loads(text)["sd_jwt"]
    key, key_id = public_key(sys.argv[1])
    try:
        claims = verify(text, key, key_id)
    except Exception as error:  # Whatever the package raises, the SD-JWT does not hold.
        sys.exit(f"it does not hold: {error!r}")
    print(json.dumps(claims, ensure_ascii=False, indent=2, sort_keys=True))


if __name__ == "__main__":
    main()
