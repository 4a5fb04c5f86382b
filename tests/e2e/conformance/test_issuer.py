"""A pod verifies its own token with nothing but what the issuer publishes."""

import json

import pytest

from e2e.conformance.test_services import quick
from e2e_support import Space

# Discovery, keys and the signature (ES256: FIPS 186-4, section 6.4), with Python's standard library.
VERIFIER = """
import base64, hashlib, json, ssl, urllib.request
ROOT = "/var/run/secrets/kubernetes.io/serviceaccount/"
TOKEN = open(ROOT + "token").read()
trusted = ssl.create_default_context(cafile=ROOT + "ca.crt")

def fetch(url, headers):
    return json.load(urllib.request.urlopen(urllib.request.Request(url, headers=headers), context=trusted, timeout=5))

def octets(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

def number(text):
    return int.from_bytes(octets(text), "big")

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
     0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5)

def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P

def times(k, point):
    total = None
    while k:
        if k & 1:
            total = add(total, point)
        point, k = add(point, point), k >> 1
    return total

header, claims, signature = TOKEN.split(".")
issuer = json.loads(octets(claims))["iss"]
bearer = {"Authorization": "Bearer " + TOKEN}
discovery = fetch(issuer + "/.well-known/openid-configuration", bearer)
keys = fetch(discovery["jwks_uri"], bearer)["keys"]
key = next(key for key in keys if key["kid"] == json.loads(octets(header))["kid"])

def valid(signed):
    r, s = (int.from_bytes(octets(signature)[part], "big") for part in (slice(32), slice(32, 64)))
    digest = int.from_bytes(hashlib.sha256(signed.encode()).digest(), "big")
    inverse = pow(s, -1, N)
    point = add(times(digest * inverse % N, G), times(r * inverse % N, (number(key["x"]), number(key["y"]))))
    return point is not None and point[0] % N == r

print(json.dumps({
    "issuer": discovery["issuer"] == issuer,
    "algorithm": [json.loads(octets(header))["alg"], key["alg"]],
    "own": valid(header + "." + claims),
    "forged": valid(header + "." + claims[:-1] + ("A" if claims[-1] != "A" else "B")),
    "subject": json.loads(octets(claims))["sub"],
}))
"""


@pytest.mark.conformance(
    "[sig-auth] ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer [Conformance]"
)
def test_a_pod_verifies_its_own_token_by_discovery(space: Space) -> None:
    space.apply(quick("relying-party"))
    space.until_ready("relying-party")
    told = json.loads(space.out("exec", "relying-party", "--", "python3", "-c", VERIFIER))
    assert told == {
        "issuer": True,
        "algorithm": ["ES256", "ES256"],
        "own": True,
        "forged": False,
        "subject": f"system:serviceaccount:{space.name}:default",
    }
