"""The manifests of `create`'s subcommands, made from their flags."""

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from pinnace.cli.errors import CliError
from pinnace.cli.flags import Values

Object = dict[str, Any]
Generator = Callable[[Values, list[str]], Iterable[Object]]
_KEY = re.compile(r"[-._a-zA-Z0-9]+")


class WrongName(CliError):
    """Not exactly one name was given."""


class Unreadable(CliError):
    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"error reading {path}: {why}")
        self.path, self.why = path, why


def the_name(arguments: list[str]) -> str:
    if len(arguments) != 1:
        raise WrongName(f"exactly one NAME is required, got {len(arguments)}")
    return arguments[0]


def config_map(flags: Values, arguments: list[str]) -> Iterable[Object]:
    obj: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": the_name(arguments)}}
    text: dict[str, str] = {}
    binary: dict[str, str] = {}
    for key, value in entries(flags, obj["metadata"]["name"]):
        try:
            text[key] = value.decode()
        except UnicodeDecodeError:
            binary[key] = base64.b64encode(value).decode()
    if text:
        obj["data"] = text
    if binary:
        obj["binaryData"] = binary
    yield _hashed(flags, obj, {"data": text, **({"binaryData": binary} if binary else {})})


def _hashed(flags: Values, obj: Object, content: Object) -> Object:
    """With --append-hash: the name tells contents apart. The letters keep words from forming."""
    if flags["append-hash"]:
        told = {"kind": obj["kind"], "name": obj["metadata"]["name"], **content}
        digest = hashlib.sha256(json.dumps(told, separators=(",", ":"), sort_keys=True).encode()).hexdigest()
        obj["metadata"]["name"] += "-" + digest[:10].translate(str.maketrans("013ae", "ghkmt"))
    return obj


def generic_secret(flags: Values, arguments: list[str]) -> Iterable[Object]:
    data = {key: base64.b64encode(value).decode() for key, value in entries(flags)}
    yield _secret(flags, the_name(arguments), data, flags["type"])


def tls_secret(flags: Values, arguments: list[str]) -> Iterable[Object]:
    if not flags["cert"] or not flags["key"]:
        raise CliError("key and cert must be specified")
    try:
        data = {"tls.crt": _file(flags["cert"]), "tls.key": _file(flags["key"])}
    except Unreadable as error:
        raise CliError(f"Cannot read file {error.path}, open {error.path}: {error.why}") from error
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    yield _secret(flags, the_name(arguments), encoded, "kubernetes.io/tls")


def docker_registry_secret(flags: Values, arguments: list[str]) -> Iterable[Object]:
    name, kind = the_name(arguments), "kubernetes.io/dockerconfigjson"
    if flags["from-file"]:
        yield _secret(flags, name, {k: base64.b64encode(v).decode() for k, v in entries(flags)}, kind)
        return
    user, password = flags["docker-username"], flags["docker-password"]
    if not user or not password:
        raise CliError("either --from-file or the combination of --docker-username, --docker-password and "
                       "--docker-server is required")  # fmt: skip
    login = {"username": user, "password": password}
    if flags["docker-email"]:
        login["email"] = flags["docker-email"]
    login["auth"] = base64.b64encode(f"{user}:{password}".encode()).decode()
    config = json.dumps({"auths": {flags["docker-server"]: login}}, separators=(",", ":"))
    data = {".dockerconfigjson": base64.b64encode(config.encode()).decode()}
    yield _secret(flags, name, data, kind)


def _secret(flags: Values, name: str, data: dict[str, str], kind: str) -> Object:
    obj: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    if data:
        obj["data"] = data
    if kind:
        obj["type"] = kind
    return _hashed(flags, obj, {"type": kind, "data": data})


def namespace(flags: Values, arguments: list[str]) -> Iterable[Object]:
    yield {
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": the_name(arguments)}, "spec": {}, "status": {},
    }  # fmt: skip


def service_account(flags: Values, arguments: list[str]) -> Iterable[Object]:
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": the_name(arguments)}}


def deployment(flags: Values, arguments: list[str]) -> Iterable[Object]:
    split = flags["--"]
    command = arguments[split:] if split >= 0 else []
    if not flags["image"]:
        raise CliError('required flag(s) "image" not set')
    name = the_name(arguments[:split] if split >= 0 else arguments)
    if len(flags["image"]) > 1 and command:
        raise CliError("cannot specify multiple --image options and command")
    labels = {"app": name}
    containers = [_container(image, command, flags["port"]) for image in flags["image"]]
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "strategy": {},
            "replicas": flags["replicas"],
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
        },
        "status": {},
    }


def _container(image: str, command: list[str], port: int) -> Object:
    base = image.rsplit("/", 1)[-1].split("@", maxsplit=1)[0].split(":", maxsplit=1)[0]
    name = re.sub(r"[^-a-z0-9]", "-", base.lower()).strip("-")
    container: Object = {"name": name, "image": image, "resources": {}}
    if command:
        container["command"] = command
    if port > 0:
        container["ports"] = [{"containerPort": port}]
    return container


def service(kind: str) -> Generator:
    def make(flags: Values, arguments: list[str]) -> Iterable[Object]:
        if kind == "ExternalName" and not flags["external-name"]:
            raise CliError('required flag(s) "external-name" not set')
        name = the_name(arguments)
        headless = flags.get("clusterip") == "None"
        if not flags["tcp"] and kind != "ExternalName" and not headless:
            raise CliError("at least one tcp port specifier must be provided")
        spec: Object = {
            "type": kind,
            "selector": {"app": name},
            "ports": [_port(text) for text in flags["tcp"]],
        }
        if flags.get("clusterip"):
            spec["clusterIP"] = flags["clusterip"]
        if flags.get("external-name"):
            spec["externalName"] = flags["external-name"]
        if flags.get("node-port"):
            for port in spec["ports"]:
                port["nodePort"] = flags["node-port"]
        if not spec["ports"]:
            del spec["ports"]
        yield {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "labels": {"app": name}},
            "spec": spec,
            "status": {"loadBalancer": {}},
        }

    return make


def _port(text: str) -> Object:
    number, _, target = text.partition(":")
    if not number.isdigit():
        raise CliError(f'strconv.ParseUint: parsing "{number}": invalid syntax')
    if not all(0 < int(port) < 65536 for port in (number, target) if port.isdigit()):
        raise CliError("must be between 1 and 65535, inclusive")
    return {
        "name": text.replace(":", "-"),
        "port": int(number),
        "protocol": "TCP",
        "targetPort": (int(target) if target.isdigit() else target) if target else int(number),
    }


# --- data of config maps and secrets


def entries(flags: Values, name: str = "") -> Iterable[tuple[str, bytes]]:
    """The pairs of --from-literal, --from-file and --from-env-file; a key may come once."""
    if flags.get("from-env-file") and (flags["from-file"] or flags.get("from-literal")):
        raise CliError("from-env-file cannot be combined with from-file or from-literal")
    seen: set[str] = set()
    for key, value in _all_entries(flags):
        if not _KEY.fullmatch(key):
            raise CliError(
                f'"{key}" is not a valid key name: a valid config key must consist of alphanumeric characters, '
                "'-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
                "'[-._a-zA-Z0-9]+')"
            )
        if key in seen:
            raise CliError(
                f'cannot add key "{key}", another key by that name already exists in Data for ConfigMap "{name}"'
            )
        seen.add(key)
        yield key, value


def _all_entries(flags: Values) -> Iterable[tuple[str, bytes]]:
    for text in flags["from-file"]:
        key, equals, path = text.partition("=")
        yield from ([(key, _file(path))] if equals else _files(text))
    for text in flags.get("from-literal", ()):
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise CliError(f"invalid literal source {text}, expected key=value")
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        yield key, value.encode("utf-8", "surrogateescape")
    for path in flags.get("from-env-file", ()):
        for line in _file(path).decode().splitlines():
            line = line.strip()
            if line and not line.startswith("#"):
                key, equals, value = line.partition("=")
                yield key, (value if equals else os.environ.get(key, "")).encode()


def _files(path: str) -> list[tuple[str, bytes]]:
    if os.path.isdir(path):  # noqa: PTH112 (start-up time)
        names = sorted(os.listdir(path))  # noqa: PTH208
        found = [(name, os.path.join(path, name)) for name in names]  # noqa: PTH118
        return [(name, _file(full)) for name, full in found if os.path.isfile(full)]  # noqa: PTH113
    return [(os.path.basename(path), _file(path))]  # noqa: PTH119


def _file(path: str) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            return file.read()
    except OSError as error:
        raise Unreadable(path, str(error.strerror).lower()) from error
