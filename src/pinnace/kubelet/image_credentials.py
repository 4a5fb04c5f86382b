"""The credentials that a pod's pull secrets give for an image. Pure."""

import base64
import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.kubelet.cri.runtime import Config
from pinnace.kubelet.image_reference import split_domain

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credential:
    """`auth` is CRI's AuthConfig, None for nobody's; `source` names the secret, with a hash of what it says."""

    auth: Config | None = None
    source: dict[str, str] | None = None


def credentials_for(reference: str, secrets: Iterable[Object]) -> list[Credential]:
    """Those of the pull secrets that name the image's registry; the anonymous one when none does."""
    domain, path = split_domain(reference)
    found: list[tuple[int, Credential]] = []
    for secret in secrets:
        for server, entry in _docker_auths(secret)[0].items():
            host, _, prefix = _bare(server).partition("/")
            if host in {"index.docker.io", "registry-1.docker.io"}:
                host, prefix = "docker.io", ""
            if _is_host(host, domain) and (not prefix or path.startswith(prefix)):
                found.append((len(prefix), _credential(secret, entry)))
    found.sort(key=lambda pair: -pair[0])
    return [credential for _, credential in found] or [Credential()]


def unreadable(secrets: Iterable[Object]) -> list[str]:
    """Names of those of which at least one login cannot be read; the log says why."""
    found = []
    for secret in secrets:
        if problems := _docker_auths(secret)[1]:
            log.warning("pull secret %s: %s", meta.name(secret), "; ".join(problems))
            found.append(meta.name(secret))
    return found


def _bare(server: str) -> str:
    bare = server.removeprefix("https://").removeprefix("http://").rstrip("/")
    return bare.removesuffix("/v1").removesuffix("/v2")


def _is_host(pattern: str, domain: str) -> bool:
    """Whether the name, of which each part may be a glob (`*.example.com`), means this host; the port is part of it."""
    if pattern == domain:
        return True
    (name, _, port), (host, _, number) = pattern.partition(":"), domain.partition(":")
    wanted, parts = name.split("."), host.split(".")
    return (
        port == number
        and len(wanted) == len(parts)
        and all(fnmatchcase(part, glob) for part, glob in zip(parts, wanted, strict=True))
    )


def _docker_auths(secret: Object) -> tuple[dict[str, Config], list[str]]:
    """By server, and what is wrong. The API server looks only at whether it is JSON: what is no login gives none, and hides no other."""
    data = secret.get("data") or {}
    found: dict[str, Config] = {}
    problems = []
    try:
        if ".dockerconfigjson" in data:
            listed = json.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths") or {}
        else:
            listed = json.loads(base64.b64decode(data.get(".dockercfg", "e30=")))
        for server, entry in listed.items():
            try:
                found[server] = _auth_config(entry)
            except (ValueError, AttributeError, TypeError) as error:
                problems.append(f"the login for {server} is not readable: {error}")
    except (ValueError, AttributeError, TypeError) as error:
        problems.append(f"it is not readable: {error}")
    return found, problems


def _auth_config(entry: dict[str, Any]) -> Config:
    """Without the server's address, as upstream: containerd takes it for a URL, and refuses or ignores what has no scheme."""
    username, password = entry.get("username", ""), entry.get("password", "")
    if not username and entry.get("auth"):
        username, password = _decoded(entry["auth"])
    login = {
        "username": username,
        "password": password,
        "identity_token": entry.get("identitytoken", ""),
        "registry_token": entry.get("registrytoken", ""),
    }
    if not all(isinstance(one, str) for one in login.values()):
        raise TypeError("it must be texts")
    return login


def _decoded(text: str) -> tuple[str, str]:
    """base64 of `user:password`, with or without padding."""
    bare = text.strip().rstrip("=")
    plain = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode()
    username, colon, password = plain.partition(":")
    if not colon:
        raise ValueError("auth must be formatted as base64(username:password)")
    return username, password


def _credential(secret: Object, auth: Config) -> Credential:
    told = hashlib.sha256(json.dumps(auth, sort_keys=True).encode()).hexdigest()
    return Credential(
        auth,
        {
            "uid": meta.uid(secret), "namespace": meta.namespace(secret), "name": meta.name(secret),
            "credentialHash": told,
        },
    )  # fmt: skip
