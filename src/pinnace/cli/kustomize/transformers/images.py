"""`images`: another name, tag or digest for the images of containers, wherever an object has containers."""

import re
from typing import Any

from pinnace.cli.kustomize.errors import BuildError
from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.resource_set import ResourceSet

Object = dict[str, Any]
_LISTS = ("containers", "initContainers")


def transform(_: Folder, content: Object, resources: ResourceSet) -> None:
    for row in content.get("images") or ():
        for one in resources.items:
            if one.kind != "CustomResourceDefinition":
                _visit(one.obj, row)


def _visit(node: Any, row: Object) -> None:
    if isinstance(node, list):
        for item in node:
            _visit(item, row)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in _LISTS and isinstance(value, list):
                for container in value:
                    if isinstance(container, dict) and isinstance(container.get("image"), str):
                        container["image"] = renamed(container["image"], row)
            _visit(value, row)


def renamed(image: str, row: Object) -> str:
    try:
        pattern = re.compile(f"^{row.get('name', '')}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$")
    except re.error as error:
        raise BuildError(f"error parsing regexp: {error}") from error
    if not pattern.search(image):
        return image
    name, tag, digest = _split(image)
    name = row.get("newName") or name
    if row.get("newTag") or row.get("digest"):
        tag, digest = row.get("newTag") or "", row.get("digest") or ""
    elif row.get("tagSuffix"):
        tag, digest = f"{tag}{row['tagSuffix']}", ""
    return f"{name}{f':{tag}' if tag else ''}{f'@{digest}' if digest else ''}"


def _split(image: str) -> tuple[str, str, str]:
    """(name, tag, digest); a registry's port is no tag."""
    name, _, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return f"{head}{slash}{last}", tag, digest
