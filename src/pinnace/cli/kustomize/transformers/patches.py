"""`patches` and `patchesStrategicMerge`: strategic merge patches by the name they carry, or any patch by a target."""

import json
from typing import Any

from pinnace.cli.kustomize import documents, merging
from pinnace.cli.kustomize.errors import BuildError, configuring, wording
from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.resource import Resource
from pinnace.cli.kustomize.resource_set import ResourceSet
from pinnace.cli.kustomize.transformers.json_patches import apply as apply_json_patch
from pinnace.cli.kustomize.transformers.json_patches import parsed as parsed_json_patch

Object = dict[str, Any]


def strategic_merges(folder: Folder, content: Object, resources: ResourceSet) -> None:
    """The old field: paths or patches themselves."""
    entries = content.get("patchesStrategicMerge") or []
    found: list[Object] = []
    with configuring("PatchStrategicMergeTransformer", {"paths": entries}):
        for entry in entries:
            found += _as_merge_patches(entry) or documents.objects(folder.read(entry), entry)
    for patch in found:
        _merge(resources, resources.the_one(Resource(patch).id), patch, {})


def patches(folder: Folder, content: Object, resources: ResourceSet) -> None:
    rows = []
    for row in content.get("patches") or ():
        with configuring("PatchTransformer", row):
            rows.append((row, *_read(folder, row)))
    for row, merges, operations in rows:
        target, options = row.get("target"), row.get("options") or {}
        if merges:
            for patch in merges:
                chosen = resources.select(target) if target is not None else [_named(resources, patch)]
                for one in chosen:
                    _merge(resources, one, patch, options)
            continue
        if target is None:
            raise BuildError(f"must specify a target for JSON patch [{_shown(row)}]")
        for one in resources.select(target):
            one.remember()
            apply_json_patch(one, operations)


def _read(folder: Folder, row: Object) -> tuple[list[Object], list[Object]]:
    """(strategic merge patches, JSON patch operations): what it is shows in its form."""
    text, path = (row.get("patch") or "").strip(), row.get("path") or ""
    if not text and not path:
        raise BuildError("must specify one of patch and path in")
    if text and path:
        raise BuildError("patch and path can't be set at the same time in")
    if path:
        with wording(f"failed to get the patch file from path({path})"):
            text = folder.read(path)
    merges, operations = _as_merge_patches(text), parsed_json_patch(text)
    if merges is None and operations is None:
        raise BuildError(f"unable to parse SM or JSON patch from [{_shown(row)}]")
    return merges or [], operations or []


def _shown(row: Object) -> str:
    if row.get("path"):
        return f'path: "{row["path"]}"'
    return f"patch: {json.dumps((row.get('patch') or '').strip(), ensure_ascii=False)}"


def _as_merge_patches(text: str) -> list[Object] | None:
    try:
        return documents.objects(text) or None
    except BuildError:
        return None


def _named(resources: ResourceSet, patch: Object) -> Resource:
    wanted = Resource(patch).id
    with wording(f'no resource matches strategic merge patch "{wanted}"'):
        return resources.the_one(wanted)


def _merge(resources: ResourceSet, one: Resource, patch: Object, options: Object) -> None:
    """Name, kind and namespace stay, unless the options let them change."""
    from pinnace.apimachinery.copies import deep_copy
    from pinnace.apimachinery.gvk import GVK
    from pinnace.apimachinery.schema import schemas

    name, namespace, kind, gvk = one.name, one.namespace, one.kind, one.gvk
    may_rename, may_change_kind = options.get("allowNameChange"), options.get("allowKindChange")
    if may_rename or may_change_kind:
        one.remember()
    schema = schemas.for_gvk(GVK(*gvk))
    new = merging.merged(one.obj, {**deep_copy(patch), "apiVersion": one.obj["apiVersion"]}, schema)
    if new is merging.GONE or not new:
        resources.items.remove(one)
        return
    one.obj = new
    if not may_change_kind:
        one.obj["kind"] = kind
    if not may_rename:
        one.metadata["name"] = name
    if namespace:
        one.metadata["namespace"] = namespace
    else:
        one.metadata.pop("namespace", None)
