"""Public keys of others: JSON Web Keys, and signatures in the algorithms that OIDC issuers use (RFC 7515, 7517, 7518).

RS, PS and ES with SHA-256, -384 and -512. An algorithm fits one type of key only, so a token cannot choose a weaker one.
"""

from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pinnace.apiserver.authn.jwt import InvalidToken, PublicKey, decode_segment

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")
_HASHES: dict[str, Any] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
_CURVES: dict[str, tuple[Any, str, int]] = {
    "P-256": (ec.SECP256R1, "ES256", 32), "P-384": (ec.SECP384R1, "ES384", 48), "P-521": (ec.SECP521R1, "ES512", 66),
}  # fmt: skip


def load_jwk(jwk: Mapping[str, Any]) -> PublicKey | None:
    """None for a key of another kind or use; raises InvalidToken for one that is malformed."""
    if jwk.get("use", "sig") != "sig":
        return None
    try:
        if jwk.get("kty") == "RSA":
            return rsa.RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"])).public_key()
        if jwk.get("kty") == "EC" and jwk.get("crv") in _CURVES:
            curve = _CURVES[str(jwk["crv"])][0]()
            return ec.EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), curve).public_key()
    except (KeyError, ValueError) as error:
        raise InvalidToken(f"malformed key: {error}") from error
    return None


def _number(text: Any) -> int:
    return int.from_bytes(decode_segment(str(text)), "big")


def check_signature(key: PublicKey, algorithm: str, payload: bytes, signature: bytes) -> None:
    """Raises InvalidToken."""
    if algorithm not in ALGORITHMS:
        raise InvalidToken("unknown algorithm")
    digest = _HASHES[algorithm[2:]]()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            _check_ec(key, algorithm, payload, signature, digest)
        elif algorithm.startswith("RS"):
            key.verify(signature, payload, padding.PKCS1v15(), digest)
        elif algorithm.startswith("PS"):
            key.verify(signature, payload, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
        else:
            raise InvalidToken("the algorithm does not fit the key")
    except InvalidSignature as error:
        raise InvalidToken("wrong signature") from error


def _check_ec(
    key: ec.EllipticCurvePublicKey, algorithm: str, payload: bytes, signature: bytes, digest: Any
) -> None:
    size = next((size for curve, fits, size in _CURVES.values() if fits == algorithm and curve.name == key.curve.name), 0)  # fmt: skip
    if not size or len(signature) != 2 * size:
        raise InvalidToken("the algorithm does not fit the key")
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    key.verify(encode_dss_signature(r, s), payload, ec.ECDSA(digest))
