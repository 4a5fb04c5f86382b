"""`--registry-config`: k3s's registries.yaml turned into containerd's hosts.toml files and logins.

Loopback registries (127.0.0.1, localhost, [::1]) are spoken to in plain HTTP when the file says nothing else of them.
Left out, and refused: `rewrite` of repository names. Reference: https://docs.k3s.io/installation/private-registry
"""

import json
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pinnace.cluster.errors import UsageError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
KNOWN = {
    "mirrors": ("endpoint",),
    "configs": ("auth", "tls"),
    "auth": ("username", "password", "auth", "identity_token"),
    "tls": ("ca_file", "cert_file", "key_file", "insecure_skip_verify"),
}


def write_hosts(directory: Path, content: dict[str, Any]) -> None:
    """Write DIRECTORY/HOST/hosts.toml for every mirror and configured registry, in place of what was there."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    mirrors, configs = content.get("mirrors") or {}, content.get("configs") or {}
    for host in dict.fromkeys([*mirrors, *configs]):
        endpoints = (mirrors.get(host) or {}).get("endpoint") or []
        place = directory / ("_default" if host == "*" else host)
        place.mkdir()
        (place / "hosts.toml").write_text(hosts_toml(host, endpoints, configs))


def read(source: Path | None) -> dict[str, Any]:
    """The checked content, {} without a file; raises UsageError."""
    if source is None:
        return {}
    import yaml

    try:
        content = yaml.safe_load(source.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"--registry-config {source}: {error}") from None
    try:
        _check(content)
    except UsageError as error:
        raise UsageError(f"--registry-config {source}: {error}") from None
    return content


def _check(content: Any) -> None:
    for section, registries in _mapping("the file", content, ("mirrors", "configs")).items():
        for host, settings in _mapping(section, registries).items():
            where = f"{section}.{host}"
            if "/" in host:
                raise UsageError(f"{where}: must be a host with an optional port")
            for key, value in _mapping(where, settings, KNOWN[section]).items():
                if key == "endpoint":
                    _check_endpoints(f"{where}.{key}", value)
                else:
                    _mapping(f"{where}.{key}", value, KNOWN[key])


def _mapping(where: str, value: Any, known: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value or {}, dict):
        raise UsageError(f"{where}: must be a mapping")
    for key in value or {}:
        if known and key not in known:
            raise UsageError(f"{where}: {key!r} is not known; known: {', '.join(known)}")
    return value or {}


def _check_endpoints(where: str, value: Any) -> None:
    if not isinstance(value, list) or not all(
        isinstance(e, str) and e.startswith(("http://", "https://")) for e in value
    ):
        raise UsageError(f"{where}: must be a list of URLs that begin with http:// or https://")


def hosts_toml(host: str, endpoints: list[str], configs: dict[str, Any]) -> str:
    lines = [f"server = {json.dumps(_url(host))}", *_tls(configs.get(host))] if host != "*" else []
    for endpoint in endpoints or ([] if host == "*" else [_url(host)]):
        lines += [f"[host.{json.dumps(endpoint)}]", '  capabilities = ["pull", "resolve"]']
        lines += [f"  {line}" for line in _tls(configs.get(urlsplit(endpoint).netloc))]
    return "\n".join(lines) + "\n"


def _url(host: str) -> str:
    if host == "docker.io":
        return "https://registry-1.docker.io"
    name = host.rpartition(":")[0] or host
    return f"{'http' if name in LOOPBACK else 'https'}://{host}"


def _tls(config: dict[str, Any] | None) -> list[str]:
    tls = (config or {}).get("tls") or {}
    lines = []
    if tls.get("insecure_skip_verify"):
        lines.append("skip_verify = true")
    if tls.get("ca_file"):
        lines.append(f"ca = {json.dumps(tls['ca_file'])}")
    if tls.get("cert_file") and tls.get("key_file"):
        lines.append(f"client = [[{json.dumps(tls['cert_file'])}, {json.dumps(tls['key_file'])}]]")
    return lines


def logins(content: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Registry host -> {username, password, auth, identity_token}, in containerd's spelling."""
    spelling = {"identity_token": "identitytoken"}
    found = {}
    for host, config in (content.get("configs") or {}).items():
        if auth := (config or {}).get("auth"):
            found[host] = {spelling.get(key, key): str(value) for key, value in auth.items()}
    return found
