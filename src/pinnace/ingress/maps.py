"""The map files that lead from host and path to a backend: their size does not slow a request.

A key is the host (or `-` for rules that name none) followed by the path. A prefix ends with `/` and is looked up with the
request's path and another `/`, so that whole path elements are compared and the longest one wins.
"""

import re
from collections.abc import Iterator

from pinnace.ingress.model import Host, Routing
from pinnace.ingress.words import map_key

ANY_HOST = "-"
HOSTS, EXACT, REGEX, PREFIX = "hosts.map", "exact.map", "regex.map", "prefix.map"


def render(routing: Routing, missing: str) -> dict[str, str]:
    """Map file -> its text. `missing` is the backend for a path whose own backend could not be made."""
    lines: dict[str, list[str]] = {HOSTS: [], EXACT: [], REGEX: [], PREFIX: []}
    for host in routing.hosts:
        if host.name:
            lines[HOSTS].append(f"{map_key(host.name)} {map_key(host.name)}")
        for file, key, backend in _entries(host):
            lines[file].append(f"{key} {backend or missing}")
    return {file: "".join(f"{line}\n" for line in found) for file, found in lines.items()}


def _entries(host: Host) -> Iterator[tuple[str, str, str]]:
    site = host.name or ANY_HOST
    for path in host.paths:
        if path.kind == "exact":
            yield EXACT, map_key(site + path.path), path.backend
        elif path.kind == "regex":
            # whatever the expression is, the site ends here: `/|m/` of the host shop.co says nothing about shop.com
            yield REGEX, f"^{re.escape(site)}(?=/)(?i:{path.path})", path.backend
        else:
            yield PREFIX, map_key(site + path.path.rstrip("/") + "/"), path.backend
