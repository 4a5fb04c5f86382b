"""Where a webhook is called: a URL, or a Service with path and port. Shared by all kinds that call webhooks.

Upstream: https://github.com/kubernetes/apiserver/blob/master/pkg/util/webhook/validation.go
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pinnace.api import fields, names
from pinnace.apimachinery.errors import Cause

_FORM = "; desired format: https://host[/path]"
DEFAULT_PORT = 443


def set_defaults(config: dict[str, Any]) -> None:
    service = config.get("service")
    if service and service.get("port") is None:
        service["port"] = DEFAULT_PORT


def validate(config: Mapping[str, Any], path: str) -> Iterator[Cause]:
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        yield fields.required(path, "exactly one of url or service is required")
    elif url is not None:
        yield from validate_url(url, f"{path}.url")
    elif service is not None:
        yield from validate_service(service, f"{path}.service")


def validate_url(url: str, path: str) -> Iterator[Cause]:
    try:
        parts = urlsplit(url)
        host = parts.netloc
        _ = parts.port
    except ValueError as error:
        yield fields.required(path, f"url must be a valid URL: {error}{_FORM}")
        return
    if parts.scheme != "https":
        yield fields.invalid(path, parts.scheme, f"'https' is the only allowed URL scheme{_FORM}")
    if not host:
        yield fields.invalid(path, host, f"host must be provided{_FORM}")
    if "@" in host:
        yield fields.invalid(path, host.rpartition("@")[0], "user information is not permitted in the URL")
    if parts.fragment:
        yield fields.invalid(path, parts.fragment, "fragments are not permitted in the URL")
    if parts.query:
        yield fields.invalid(path, parts.query, "query parameters are not permitted in the URL")


def validate_service(service: Mapping[str, Any], path: str) -> Iterator[Cause]:
    if not service.get("name"):
        yield fields.required(f"{path}.name", "service name is required")
    if not service.get("namespace"):
        yield fields.required(f"{path}.namespace", "service namespace is required")
    port = service.get("port") or 0
    for message in names.port_number(port):
        yield fields.invalid(f"{path}.port", port, f"port is not valid: {message}")
    yield from _validate_path(service.get("path") or "/", f"{path}.path")


def _validate_path(given: str, path: str) -> Iterator[Cause]:
    if given == "/":
        return
    if given == "//":
        yield fields.invalid(path, given, "segment[0] may not be empty")
        return
    if not given.startswith("/"):
        yield fields.invalid(path, given, "must start with a '/'")
    for index, segment in enumerate(given[1:].removesuffix("/").split("/")):
        if not segment:
            yield fields.invalid(path, given, f"segment[{index}] may not be empty")
            continue
        for message in names.dns_subdomain(segment):
            yield fields.invalid(path, given, f"segment[{index}]: {message}")
