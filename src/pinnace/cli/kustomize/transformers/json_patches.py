"""`patchesJson6902`, and JSON patches among `patches`: operations on paths of one object."""

import json
from typing import Any

from pinnace.cli.kustomize.errors import BuildError
from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.resource import Resource
from pinnace.cli.kustomize.resource_set import ResourceSet

Object = dict[str, Any]


def transform(folder: Folder, content: Object, resources: ResourceSet) -> None:
    for row in content.get("patchesJson6902") or ():
        target, path, text = row.get("target"), row.get("path"), row.get("patch") or ""
        if not target:
            raise BuildError("must specify the target field, exactly one of path or patch")
        if bool(path) == bool(text):
            raise BuildError(
                "must specify one of the file path and jsonOp"
                if not path
                else "must specify one of path and jsonOp"
            )
        operations = parsed(folder.read(path) if path else text)
        if operations is None:
            raise BuildError(f"unable to parse JSON patch from [{text or path}]")
        for one in resources.select(target):
            one.remember()
            apply(one, operations)


def parsed(text: str) -> list[Object] | None:
    """The operations, None when it is something else; what begins with [ has to be JSON."""
    import yaml

    from pinnace.cli.manifests import _Loader

    try:
        found = json.loads(text) if text.startswith("[") else yaml.load(text, _Loader)  # noqa: S506 (safe)
    except (ValueError, yaml.YAMLError):
        return None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        return None
    return found


def apply(one: Resource, operations: list[Object]) -> None:
    from pinnace.apimachinery.errors import StatusError
    from pinnace.apimachinery.patch import json_patch

    try:
        one.obj = json_patch.applied(one.obj, operations)
    except (StatusError, json_patch.Inapplicable) as error:
        raise BuildError(str(error)) from error
