"""The credentials that a pod's pull secrets give for an image. Pure."""

import base64
import binascii
import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
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
        for server, entry in _docker_auths(secret).items():
            host, _, prefix = _bare(server).partition("/")
            if host in {"index.docker.io", "registry-1.docker.io"}:
                host, prefix = "docker.io", ""
            if host == domain and (not prefix or path.startswith(prefix)):
                found.append((len(prefix), _credential(secret, _auth_config(entry))))
    found.sort(key=lambda pair: -pair[0])
    return [credential for _, credential in found] or [Credential()]


def _bare(server: str) -> str:
    bare = server.removeprefix("https://").removeprefix("http://").rstrip("/")
    return bare.removesuffix("/v1").removesuffix("/v2")


def _docker_auths(secret: Object) -> dict[str, dict[str, Any]]:
    data = secret.get("data") or {}
    try:
        if ".dockerconfigjson" in data:
            return json.loads(base64.b64decode(data[".dockerconfigjson"])).get("auths") or {}
        if ".dockercfg" in data:
            return json.loads(base64.b64decode(data[".dockercfg"]))
    except (binascii.Error, ValueError) as error:
        log.warning("pull secret %s is not readable: %s", secret["metadata"]["name"], error)
    return {}


def _auth_config(entry: dict[str, Any]) -> Config:
    """Without the server's address, as upstream: containerd takes it for a URL, and refuses or ignores what has no scheme."""
    username, password = entry.get("username", ""), entry.get("password", "")
    if not username and entry.get("auth"):
        username, _, password = base64.b64decode(entry["auth"]).decode(errors="replace").partition(":")
    return {
        "username": username,
        "password": password,
        "identity_token": entry.get("identitytoken", ""),
        "registry_token": entry.get("registrytoken", ""),
    }


def _credential(secret: Object, auth: Config) -> Credential:
    told = hashlib.sha256(json.dumps(auth, sort_keys=True).encode()).hexdigest()
    return Credential(
        auth,
        {
            "uid": meta.uid(secret), "namespace": meta.namespace(secret), "name": meta.name(secret),
            "credentialHash": told,
        },
    )  # fmt: skip
