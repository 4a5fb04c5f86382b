"""`--registry-config`: k3s's registries.yaml turned into containerd's hosts.toml files, and the kubelet's logins.

Loopback registries (127.0.0.1, localhost, [::1]) are spoken to in plain HTTP when the file says nothing else of them.
Reference: https://docs.k3s.io/installation/private-registry
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pinnace.cluster.config import UsageError

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def write_hosts(directory: Path, source: Path | None) -> None:
    """Write DIRECTORY/HOST/hosts.toml for every mirror and configured registry; raises UsageError for a bad file."""
    content = read(source) if source else {}
    mirrors, configs = content.get("mirrors") or {}, content.get("configs") or {}
    hosts = {*mirrors, *(host for host in configs if host not in mirrors)}
    for host in hosts:
        endpoints = (mirrors.get(host) or {}).get("endpoint") or []
        text = hosts_toml(host, endpoints, configs)
        place = directory / ("_default" if host == "*" else host)
        place.mkdir(parents=True, exist_ok=True)
        (place / "hosts.toml").write_text(text)


def read(source: Path) -> dict[str, Any]:
    import yaml

    try:
        content = yaml.safe_load(source.read_text()) or {}
    except (OSError, yaml.YAMLError) as error:
        raise UsageError(f"--registry-config {source}: {error}") from None
    if not isinstance(content, dict) or set(content) - {"mirrors", "configs"}:
        raise UsageError(f"--registry-config {source}: only `mirrors` and `configs` are known at the top")
    return content


def hosts_toml(host: str, endpoints: list[str], configs: dict[str, Any]) -> str:
    lines = [f"server = {json.dumps(_url(host))}"] if host != "*" else []
    for endpoint in endpoints or ([] if host == "*" else [_url(host)]):
        lines += [f"[host.{json.dumps(endpoint)}]", '  capabilities = ["pull", "resolve"]']
        lines += _tls(configs.get(urlsplit(endpoint).netloc) or {})
    return "\n".join(lines) + "\n"


def _url(host: str) -> str:
    if host == "docker.io":
        return "https://registry-1.docker.io"
    name = host.rpartition(":")[0] or host
    return f"{'http' if name in LOOPBACK else 'https'}://{host}"


def _tls(config: dict[str, Any]) -> list[str]:
    tls = config.get("tls") or {}
    lines = []
    if tls.get("insecure_skip_verify"):
        lines.append("  skip_verify = true")
    if tls.get("ca_file"):
        lines.append(f"  ca = {json.dumps(tls['ca_file'])}")
    if tls.get("cert_file") and tls.get("key_file"):
        lines.append(f"  client = [[{json.dumps(tls['cert_file'])}, {json.dumps(tls['key_file'])}]]")
    return lines


def logins(source: Path | None) -> dict[str, dict[str, str]]:
    """Registry host -> {username, password, auth, identitytoken}, as the file's `configs` have them."""
    configs = (read(source).get("configs") or {}) if source else {}
    return {host: config["auth"] for host, config in configs.items() if (config or {}).get("auth")}
