"""YAML of resources and patches, as kustomize's parser takes it: YAML 1.2 words (`yes` is text), octal numbers, timestamps."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from pinnace.cli.kustomize.errors import BuildError, MalformedYaml, Undecorated
from pinnace.cli.manifests import where_in_yaml

Object = dict[str, Any]
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9_]+(\.[0-9_]*)?)([eE][-+]?[0-9]+)?$")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """See the module's words."""


def _integer(_: Any, node: yaml.ScalarNode) -> int:
    text = node.value.replace("_", "")
    sign, digits = (-1 if text.startswith("-") else 1), text.lstrip("+-")
    for prefix, base in (("0b", 2), ("0o", 8), ("0x", 16)):
        if digits.startswith(prefix):
            return sign * int(digits[2:], base)
    return sign * int(digits, 8 if len(digits) > 1 and digits.startswith("0") else 10)


def _float(_: Any, node: yaml.ScalarNode) -> float:
    return float(node.value.replace("_", ""))


def _mapping(loader: Any, node: yaml.MappingNode) -> Object:
    seen: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag != "tag:yaml.org,2002:merge" and isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise Undecorated(
                    f'map[string]interface {{}}(nil): yaml: unmarshal errors:\n  line {key.start_mark.line + 1}: mapping key "{key.value}" '
                    f"already defined at line {seen[key.value] + 1}"
                )
            seen[key.value] = key.start_mark.line
    loader.flatten_mapping(node)
    if bad := next((key for key, _ in node.value if not isinstance(key, yaml.ScalarNode)), None):
        raise Undecorated(
            f"map[string]interface {{}}(nil): yaml: line {bad.start_mark.line + 1}: invalid map key"
        )
    pairs = [(key.value, loader.construct_object(value, deep=True)) for key, value in node.value]
    return dict(pairs)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("null", re.compile("(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("merge", re.compile("<<$"), ["<"]),
    ("int", _INTEGER, list("-+0123456789")),
    ("float", _FLOAT, list("-+.0123456789")),
    ("timestamp", re.compile(r"\d{4}-\d\d-\d\d$"), list("0123456789")),
):  # fmt: skip
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _pattern, _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: f"{node.value}T00:00:00Z")
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)
_Loader.add_constructor("tag:yaml.org,2002:bool", lambda _, node: node.value.lower() == "true")


def load_all(text: str, file: str = "") -> list[Any]:
    """The documents that are not empty."""
    try:
        return [found for found in _documents(text) if found is not None]
    except UnicodeEncodeError as error:
        where = f" in File: {file}" if file else ""
        raise MalformedYaml(f"MalformedYAMLError: yaml: invalid leading UTF-8 octet{where}") from error
    except RecursionError as error:
        where = f" in File: {file}" if file else ""
        raise MalformedYaml(f"MalformedYAMLError: yaml: exceeded max depth{where}") from error
    except yaml.YAMLError as error:
        where = f" in File: {file}" if file else ""
        raise MalformedYaml(f"MalformedYAMLError: yaml: {where_in_yaml(error)}{where}") from error


def _documents(text: str) -> Iterator[Any]:
    if "*" in text:
        from pinnace.cli.yaml_aliases import check

        for node in yaml.compose_all(text, _Loader):
            check(node)
    yield from yaml.load_all(text, _Loader)


def objects(text: str, file: str = "") -> list[Object]:
    """The resources of a file, lists taken apart; each has a kind and a name."""
    found: list[Object] = []
    for document in load_all(text, file):
        found += _apart(document)
    return found


def _apart(document: Any) -> list[Object]:
    if not isinstance(document, dict):
        raise BuildError("missing Resource metadata")
    if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
        return [obj for item in document["items"] for obj in _apart(item)]
    if not document.get("kind") and not document.get("apiVersion") and not document.get("metadata"):
        raise BuildError("missing Resource metadata")
    metadata = document.get("metadata") or {}
    if not isinstance(metadata, dict):
        metadata = {}
    if not (document.get("kind") and (metadata.get("name") or metadata.get("generateName"))):
        what = f"{{{{{document.get('apiVersion', '')} {document.get('kind', '')}}} {{{{ {metadata.get('namespace', '')}}} map[] map[]}}}}"
        raise BuildError(f"missing metadata.name in object {what}")
    return [document]
