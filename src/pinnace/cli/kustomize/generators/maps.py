"""Config maps and secrets from literals, files and files of variables."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

from pinnace.cli.kustomize.errors import BuildError, wording
from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.resource import Resource

Object = dict[str, Any]
_LINE = 70  # of base64
_BEHAVIORS = ("create", "merge", "replace")


def config_map(folder: Folder, row: Object, common: Object) -> Resource:
    obj: Object = {"apiVersion": "v1", "kind": "ConfigMap"}

    def add(key: str, value: bytes) -> None:
        try:
            obj.setdefault("data", {})[key] = value.decode()
        except UnicodeDecodeError:
            obj.setdefault("binaryData", {})[key] = _encoded(value)

    return _made(obj, folder, row, common, add)


def secret(folder: Folder, row: Object, common: Object) -> Resource:
    obj: Object = {"apiVersion": "v1", "kind": "Secret", "type": row.get("type") or "Opaque", "data": {}}
    return _made(obj, folder, row, common, lambda key, value: obj["data"].update({key: _encoded(value)}))


def _made(
    obj: Object, folder: Folder, row: Object, common: Object, add: Callable[[str, bytes], None]
) -> Resource:
    name, options = row.get("name"), row.get("options") or {}
    if not name:
        raise BuildError("a configmap must have a name")  # also of a secret
    seen: set[str] = set()
    for key, value in _pairs(folder, row):
        if key in seen:
            raise BuildError(f"configmap {name} illegally repeats the key `{key}`")
        seen.add(key)
        add(key, value)
    metadata: Object = {"name": name}
    if row.get("namespace"):
        metadata["namespace"] = row["namespace"]
    for field in ("labels", "annotations"):
        both = {**(common.get(field) or {}), **(options.get(field) or {})}
        if both:
            metadata[field] = both
    obj["metadata"] = metadata
    if common.get("immutable") or options.get("immutable"):
        obj["immutable"] = True
    made = Resource(obj)
    made.needs_hash = not (common.get("disableNameSuffixHash") or options.get("disableNameSuffixHash"))
    behavior = row.get("behavior") or ""
    made.behavior = behavior if behavior in _BEHAVIORS else ""
    return made


def _pairs(folder: Folder, row: Object) -> Iterator[tuple[str, bytes]]:
    """Files of variables first, then literals, then files."""
    sources = (
        ("envs", "env source files:", _variables),
        ("literals", "literal sources", _literal),
        ("files", "file sources:", _file),
    )
    for field, words, read in sources:
        listed = row.get(field) or []
        with wording(f"loading KV pairs: {words} [{' '.join(listed)}]"):
            for source in listed:
                yield from read(folder, source)


def _literal(_: Folder, source: str) -> Iterator[tuple[str, bytes]]:
    key, equals, value = source.partition("=")
    if not key or not equals:
        raise BuildError(f"invalid literal source {source}, expected key=value")
    if len(value) > 0 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    yield key, value.encode()


def _file(folder: Folder, source: str) -> Iterator[tuple[str, bytes]]:
    count = source.count("=")
    if count == 0:
        key, path = source.rsplit("/", 1)[-1], source
    elif source.startswith("="):
        raise BuildError(f"missing key name for file path '{source[1:]}' in source '{source}'")
    elif source.endswith("="):
        raise BuildError(f"missing file path for key name '{source[:-1]}' in source '{source}'")
    elif count > 1:
        raise BuildError(f"source '{source}' key name or file path contains '='")
    else:
        key, path = source.split("=")
    yield key, folder.read_bytes(path)


def _variables(folder: Folder, path: str) -> Iterator[tuple[str, bytes]]:
    text = folder.read(path)
    for number, line in enumerate(text.removesuffix("\n").split("\n") if text else []):
        line = line.removesuffix("\r")
        line = (line.removeprefix("\ufeff") if number == 0 else line).lstrip()
        if not line or line.startswith("#"):
            continue
        key, _, value = line.partition("=")
        yield key, value.encode(errors="surrogateescape")


def _encoded(value: bytes) -> str:
    """Long ones in lines."""
    text = base64.b64encode(value).decode()
    if len(text) < _LINE:
        return text
    return "".join(f"{text[at : at + _LINE]}\n" for at in range(0, len(text), _LINE))
