"""JSON Web Tokens in compact form, signed with ES256 or RS256: encode, verify, and the key's public JWK (RFC 7515, 7517, 7518).

Leaves out every other algorithm; `alg` is bound to the key's type, so a token cannot choose a weaker one.
"""

import base64
import hashlib
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Claims = dict[str, Any]


class InvalidToken(Exception):
    """Not a token of ours: malformed, unknown key, or a wrong signature."""


def load_private_key(pem: bytes) -> PrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("a service-account key must be an EC P-256 or an RSA key")  # noqa: TRY004 - the file's content is wrong
    return key


def encode_segment(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode_segment(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise InvalidToken("not base64url") from error


def _int_bytes(number: int, length: int = 0) -> bytes:
    return number.to_bytes(length or (number.bit_length() + 7) // 8, "big")


def key_id(key: PublicKey) -> str:
    """Upstream's: base64url of the SHA-256 of the DER form."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return encode_segment(hashlib.sha256(der).digest())


def algorithm(key: PublicKey) -> str:
    return "ES256" if isinstance(key, ec.EllipticCurvePublicKey) else "RS256"


def public_jwk(key: PublicKey) -> dict[str, str]:
    common = {"use": "sig", "kid": key_id(key), "alg": algorithm(key)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        numbers = key.public_numbers()
        point = {
            "x": encode_segment(_int_bytes(numbers.x, 32)),
            "y": encode_segment(_int_bytes(numbers.y, 32)),
        }
        return {**common, "kty": "EC", "crv": "P-256", **point}
    public = key.public_numbers()
    return {
        **common, "kty": "RSA", "n": encode_segment(_int_bytes(public.n)), "e": encode_segment(_int_bytes(public.e)),
    }  # fmt: skip


def sign(claims: Claims, key: PrivateKey) -> str:
    public = key.public_key()
    header = {"alg": algorithm(public), "kid": key_id(public)}
    payload = f"{encode_segment(orjson.dumps(header))}.{encode_segment(orjson.dumps(claims))}"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(key.sign(payload.encode(), ec.ECDSA(hashes.SHA256())))
        signature = _int_bytes(r, 32) + _int_bytes(s, 32)
    else:
        signature = key.sign(payload.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{payload}.{encode_segment(signature)}"


def verify(token: str, keys: dict[str, PublicKey]) -> Claims:
    """The claims, if one of `keys` (by key id) signed them; says nothing about expiry, issuer or audience."""
    head, _, rest = token.partition(".")
    body, _, signature_text = rest.partition(".")
    if not (head and body and signature_text) or "." in signature_text:
        raise InvalidToken("not three segments")
    header, claims = _json_object(head), _json_object(body)
    key = keys.get(str(header.get("kid")))
    if key is None or header.get("alg") != algorithm(key):
        raise InvalidToken("unknown key")
    _check_signature(key, f"{head}.{body}".encode(), decode_segment(signature_text))
    return claims


def _json_object(segment: str) -> Claims:
    try:
        value = orjson.loads(decode_segment(segment))
    except orjson.JSONDecodeError as error:
        raise InvalidToken("not JSON") from error
    if not isinstance(value, dict):
        raise InvalidToken("not an object")
    return value


def _check_signature(key: PublicKey, payload: bytes, signature: bytes) -> None:
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if len(signature) != 64:
                raise InvalidToken("wrong signature length")
            numbers = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            key.verify(encode_dss_signature(*numbers), payload, ec.ECDSA(hashes.SHA256()))
        else:
            key.verify(signature, payload, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise InvalidToken("wrong signature") from error
