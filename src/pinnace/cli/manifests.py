"""Reading manifests: YAML (several documents), JSON, lists, directories, URLs and standard input."""

import json
import os
import re
import sys
from collections.abc import Iterator
from typing import Any

import yaml

from pinnace.cli.errors import CliError

Object = dict[str, Any]
SUFFIXES = (".json", ".yaml", ".yml")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML as Kubernetes reads it: timestamps stay text, and keys become text, since JSON has no others."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        found = super().construct_mapping(node, deep=deep)
        if all(type(key) is str for key in found):
            return found
        return {_key(key): value for key, value in found.items()}


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int | float):
        return str(key)
    raise yaml.YAMLError(f"unsupported map key of type: {type(key).__name__}")


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("[yYnN]$"), list("yYnN")
)  # as go-yaml has it
_Loader.add_constructor(
    "tag:yaml.org,2002:bool", lambda loader, node: node.value.lower() in ("y", "yes", "true", "on")
)


def read_all(
    names: list[str], *, recursive: bool = False, errors: list[CliError] | None = None
) -> Iterator[tuple[str, Object]]:
    """(where from, object), lists taken apart. With `errors` a bad file or document is put there, and the next one read."""
    for name in names:
        for source, text in _texts(name, recursive):
            try:
                for document in documents(text, source):
                    yield from _apart(source, document)
            except CliError as error:
                if errors is None:
                    raise
                errors.append(error)


def _texts(name: str, recursive: bool) -> Iterator[tuple[str, str]]:
    if name == "-":
        yield "STDIN", sys.stdin.read()
        return
    if name.startswith(("http://", "https://")):
        from urllib.request import urlopen

        with urlopen(name) as answer:  # noqa: S310 (http and https only)
            yield name, answer.read().decode()
        return
    if not os.path.exists(name):  # noqa: PTH110 (start-up time)
        raise CliError(f'the path "{name}" does not exist')
    for path in _files(name, recursive):
        with open(path) as file:  # noqa: PTH123
            yield path, file.read()


def _files(name: str, recursive: bool) -> Iterator[str]:
    if not os.path.isdir(name):  # noqa: PTH112
        yield name
        return
    for folder, folders, files in os.walk(name):
        folders.sort()
        for file in sorted(files):
            if file.endswith(SUFFIXES):
                yield os.path.join(folder, file)  # noqa: PTH118
        if not recursive:
            return


def documents(text: str, source: str) -> Iterator[Object]:
    try:
        if text.lstrip().startswith("{"):
            try:
                found = list(_json_documents(text))
            except json.JSONDecodeError:
                pass  # YAML of one line may begin so as well
            else:
                yield from found
                return
        for document in _load_all(text):
            if document is not None:
                yield document
    except yaml.YAMLError as error:
        raise CliError(
            f"error parsing {source}: error converting YAML to JSON: yaml: {where_in_yaml(error)}"
        ) from error


def _load_all(text: str) -> Iterator[Any]:
    if "*" not in text:
        yield from yaml.load_all(text, _Loader)
        return
    from pinnace.cli.yaml_aliases import check

    loader = _Loader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            check(node)
            yield loader.construct_document(node)
    finally:
        loader.dispose()


def _json_documents(text: str) -> Iterator[Object]:
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        document, at = decoder.raw_decode(text, at)
        yield document
        while at < len(text) and text[at].isspace():
            at += 1


def where_in_yaml(error: yaml.YAMLError) -> str:
    """`line 2: did not find ...`, with the line that go-yaml names: the scanner's are counted from one, the parser's are not."""
    problem = str(getattr(error, "problem", None) or error)
    for mark in (getattr(error, "context_mark", None), getattr(error, "problem_mark", None)):
        if mark is not None and mark.line:
            return f"line {mark.line + isinstance(error, yaml.scanner.ScannerError)}: {problem}"
    return problem


def _apart(source: str, document: Any) -> Iterator[tuple[str, Object]]:
    if not isinstance(document, dict):
        raise CliError(
            f'error validating "{source}": error validating data: invalid object to validate; '
            "if you choose to ignore these errors, turn validation off with --validate=false"
        )
    missing = [name for name in ("apiVersion", "kind") if not document.get(name)]
    if missing:
        found = ", ".join(f"{name} not set" for name in missing)
        found = f"[{found}]" if len(missing) > 1 else found
        raise CliError(
            f'error validating "{source}": error validating data: {found}; '
            "if you choose to ignore these errors, turn validation off with --validate=false"
        )
    if document["kind"].endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _apart(source, item)
    else:
        yield source, document
