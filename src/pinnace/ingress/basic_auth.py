"""Users of basic authentication from Secrets as `htpasswd` writes them, as far as HAProxy (crypt(3)) can check them."""

import base64
import binascii
import re

from pinnace.ingress.model import Object, SecretProblem

_CRYPT = re.compile(r"\$(?:1|5|6|2[aby])\$[A-Za-z0-9./$=]+")


def users(secret: Object) -> tuple[tuple[str, str], ...]:
    """(name, hash) of each line of the key `auth`; raises SecretProblem."""
    try:
        text = base64.b64decode((secret.get("data") or {})["auth"], validate=True).decode()
    except (KeyError, binascii.Error, UnicodeDecodeError):
        raise SecretProblem("has no key auth with lines NAME:HASH") from None
    found = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, _, password = line.partition(":")
        if not name or not _CRYPT.fullmatch(password):
            raise SecretProblem(
                f"has a hash for {name!r} that cannot be checked: make it with `htpasswd -B` or `mkpasswd -m sha-512`"
            )
        found.append((name, password))
    if not found:
        raise SecretProblem("names no user")
    return tuple(found)
