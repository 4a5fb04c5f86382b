"""Users of basic authentication from Secrets as `htpasswd` writes them, as far as HAProxy (crypt(3)) can check them."""

import base64
import binascii
import re

from pinnace.ingress.model import Object, SecretProblem

_CRYPT = re.compile(r"\$(?:1|5|6|2[aby])\$(?:rounds=[0-9]{1,9}\$)?[A-Za-z0-9./$]+")
MOST_WORK = {
    "2": 12,
    "5": 50_000,
    "6": 50_000,
}  # bcrypt's cost, rounds of SHA: a check holds up everybody's requests


def users(secret: Object) -> tuple[tuple[str, str], ...]:
    """(name, hash) of each line of the key `auth`; raises SecretProblem."""
    try:
        text = base64.b64decode((secret.get("data") or {})["auth"], validate=True).decode()
    except (KeyError, binascii.Error, UnicodeDecodeError):
        raise SecretProblem("has no key auth with lines NAME:HASH") from None
    found = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, _, password = line.partition(":")
        known = _CRYPT.fullmatch(password)
        if not name or not known:
            raise SecretProblem(
                f"has a hash for {name!r} that cannot be checked: make it with `htpasswd -B` or `mkpasswd -m sha-512`"
            )
        if _work(password) > (most := MOST_WORK.get(password[1], 0)):
            raise SecretProblem(
                f"has a hash for {name!r} that takes too long to check: at most {most} rounds (bcrypt: cost)"
            )
        found.append((name, password))
    if not found:
        raise SecretProblem("names no user")
    return tuple(found)


def _work(password: str) -> int:
    """How often it is hashed, as far as the hash says; bcrypt's is a power of two."""
    word = password.split("$")[2]
    if password[1] == "2":
        return int(word) if word.isdecimal() else 99
    return int(word.removeprefix("rounds=")) if word.startswith("rounds=") else 0
