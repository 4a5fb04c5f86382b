"""JSON Web Tokens in compact form, signed with ES256, ES384, ES512 or RS256: encode, verify, and the key's public JWK (RFC 7515, 7517, 7518).

Leaves out every other algorithm (`jwk` has those of other issuers); `alg` is bound to the key's type, so a token cannot choose a weaker one.
"""

import base64
import hashlib
import re
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
        raise ValueError("a service-account key must be an EC or an RSA key")  # noqa: TRY004 - the file's content is wrong
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


_EC_ALGORITHMS = {256: "ES256", 384: "ES384", 521: "ES512"}  # by the size of the key
_EC_HASHES: dict[str, Any] = {"ES256": hashes.SHA256, "ES384": hashes.SHA384, "ES512": hashes.SHA512}


def algorithm(key: PublicKey) -> str:
    return _EC_ALGORITHMS[key.key_size] if isinstance(key, ec.EllipticCurvePublicKey) else "RS256"


def _part_size(key: PublicKey) -> int:
    """Bytes of one coordinate, and of each half of a signature."""
    return (key.key_size + 7) // 8


def load_public_keys(pem: bytes) -> list[PublicKey]:
    """Of every PUBLIC KEY, PRIVATE KEY and CERTIFICATE block; raises ValueError when there is none."""
    found: list[PublicKey] = []
    for match in re.finditer(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----\s*", pem, re.DOTALL):
        block, kind = match.group(0), match.group(1)
        if kind == b"CERTIFICATE":
            from cryptography import x509

            key: Any = x509.load_pem_x509_certificate(block).public_key()
        elif kind.endswith(b"PRIVATE KEY"):
            key = load_private_key(block).public_key()
        else:
            key = serialization.load_pem_public_key(block)
        if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            found.append(key)
    if not found:
        raise ValueError("data does not contain any valid RSA or ECDSA public keys")
    return found


def public_jwk(key: PublicKey) -> dict[str, str]:
    common = {"use": "sig", "kid": key_id(key), "alg": algorithm(key)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        numbers = key.public_numbers()
        point = {
            "x": encode_segment(_int_bytes(numbers.x, _part_size(key))),
            "y": encode_segment(_int_bytes(numbers.y, _part_size(key))),
        }
        return {**common, "kty": "EC", "crv": f"P-{key.key_size}", **point}
    public = key.public_numbers()
    return {
        **common, "kty": "RSA", "n": encode_segment(_int_bytes(public.n)), "e": encode_segment(_int_bytes(public.e)),
    }  # fmt: skip


def sign(claims: Claims, key: PrivateKey) -> str:
    public = key.public_key()
    header = {"alg": algorithm(public), "kid": key_id(public)}
    payload = f"{encode_segment(orjson.dumps(header))}.{encode_segment(orjson.dumps(claims))}"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        digest, size = _EC_HASHES[algorithm(public)](), _part_size(public)
        r, s = decode_dss_signature(key.sign(payload.encode(), ec.ECDSA(digest)))
        signature = _int_bytes(r, size) + _int_bytes(s, size)
    else:
        signature = key.sign(payload.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{payload}.{encode_segment(signature)}"


def verify(token: str, keys: dict[str, PublicKey]) -> Claims:
    """The claims, if one of `keys` (by key id) signed them; says nothing about expiry, issuer or audience."""
    header, claims, payload, signature = split(token)
    key = keys.get(str(header.get("kid")))
    if key is None or header.get("alg") != algorithm(key):
        raise InvalidToken("unknown key")
    _check_signature(key, payload, signature)
    return claims


def split(token: str) -> tuple[Claims, Claims, bytes, bytes]:
    """(header, claims, what is signed, signature), nothing of it verified; raises InvalidToken."""
    head, _, rest = token.partition(".")
    body, _, signature_text = rest.partition(".")
    if not (head and body and signature_text) or "." in signature_text:
        raise InvalidToken("not three segments")
    return _json_object(head), _json_object(body), f"{head}.{body}".encode(), decode_segment(signature_text)


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
            size = _part_size(key)
            if len(signature) != 2 * size:
                raise InvalidToken("wrong signature length")
            numbers = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
            key.verify(encode_dss_signature(*numbers), payload, ec.ECDSA(_EC_HASHES[algorithm(key)]()))
        else:
            key.verify(signature, payload, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise InvalidToken("wrong signature") from error
