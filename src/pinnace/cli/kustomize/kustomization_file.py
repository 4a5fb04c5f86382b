"""The kustomization file: found, parsed, its fields checked by name and type, deprecated ones translated."""

import sys
from typing import Any

import yaml

from pinnace.cli.kustomize.errors import BuildError, NotCovered, configuring
from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.scalars import text_of

Object = dict[str, Any]
NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
API_VERSIONS = {"Kustomization": "kustomize.config.k8s.io/v1beta1", "Component": "kustomize.config.k8s.io/v1alpha1"}  # fmt: skip

# Types: a name, [type] for lists, {"*": type} for maps, {field: type} for structs.
_TEXTS, _TEXT_MAP = ["string"], {"*": "string"}
_SELECTOR = dict.fromkeys(
    ("group", "version", "kind", "name", "namespace", "labelSelector", "annotationSelector"), "string"
)
_FIELD_SPEC = {"path": "string", "group": "string", "version": "string", "kind": "string", "create": "bool"}
_GENERATOR_OPTIONS = {
    "labels": _TEXT_MAP, "annotations": _TEXT_MAP, "disableNameSuffixHash": "bool", "immutable": "bool",
}  # fmt: skip
_GENERATOR = {
    "": "ConfigMapArgs", "name": "string", "namespace": "string", "behavior": "string", "files": _TEXTS, "literals": _TEXTS, "envs": _TEXTS,
    "env": "string", "options": _GENERATOR_OPTIONS,
}  # fmt: skip
_PATCH = {"": "Patch", "path": "string", "patch": "string", "target": _SELECTOR, "options": {"*": "bool"}}
_IMAGE = {"": "Image", **dict.fromkeys(("name", "newName", "newTag", "tagSuffix", "digest"), "string")}
_REPLACEMENT_OPTIONS = {"delimiter": "string", "index": "int", "create": "bool", "encoding": "string"}
_REPLACEMENT = {
    "path": "string",
    "source": {**_SELECTOR, "fieldPath": "string", "options": _REPLACEMENT_OPTIONS},
    "targets": [
        {"select": _SELECTOR, "reject": [_SELECTOR], "fieldPaths": _TEXTS, "options": _REPLACEMENT_OPTIONS}
    ],
}
FIELDS: Object = {
    "apiVersion": "string", "kind": "string", "metadata": "any", "openapi": _TEXT_MAP,
    "namePrefix": "string", "nameSuffix": "string", "namespace": "string", "commonLabels": _TEXT_MAP,
    "labels": [{
        "": "Label", "pairs": _TEXT_MAP, "includeSelectors": "bool", "includeTemplates": "bool", "includeVolumeClaimTemplates": "bool",
        "fields": [_FIELD_SPEC],
    }],
    "commonAnnotations": _TEXT_MAP, "patchesStrategicMerge": _TEXTS, "patchesJson6902": [_PATCH], "patches": [_PATCH],
    "images": [_IMAGE], "imageTags": [_IMAGE], "replacements": [_REPLACEMENT],
    "replicas": [{"": "Replica", "name": "string", "count": "int"}], "vars": "any",
    "sortOptions": {"order": "string", "legacySortOptions": {"orderFirst": _TEXTS, "orderLast": _TEXTS}},
    "resources": _TEXTS, "components": _TEXTS, "crds": _TEXTS, "bases": _TEXTS,
    "configMapGenerator": [_GENERATOR], "secretGenerator": [{**_GENERATOR, "": "SecretArgs", "type": "string"}],
    "helmGlobals": "any", "helmCharts": "any", "helmChartInflationGenerator": "any",
    "generatorOptions": _GENERATOR_OPTIONS, "configurations": _TEXTS, "generators": _TEXTS, "transformers": _TEXTS,
    "validators": _TEXTS, "inventory": "any", "buildMetadata": _TEXTS,
}  # fmt: skip
_DEPRECATED = {
    "bases": "resources", "commonLabels": "labels", "imageTags": "images", "patchesJson6902": "patches", "patchesStrategicMerge": "patches",
    "vars": "replacements",
}  # fmt: skip
_NOT_COVERED = (
    "openapi", "vars", "crds", "configurations", "generators", "transformers", "validators", "inventory", "buildMetadata",
)  # fmt: skip
_HELM = ("helmCharts", "helmChartInflationGenerator")


def load(folder: Folder) -> Object:
    found = [name for name in NAMES if folder.exists(name)]
    if not found:
        names = "', '".join(NAMES[:-1])
        raise BuildError(f"unable to find one of '{names}' or '{NAMES[-1]}' in directory '{folder.root}'")
    if len(found) > 1:
        raise BuildError(f"Found multiple kustomization files under: {folder.root}")
    content = _parsed(folder.read(found[0]))
    _warn(content)
    content = _translated(content)
    if not set(content) - {"apiVersion", "kind"}:
        raise BuildError("kustomization.yaml is empty")
    _check_versions(content, folder.root)
    _refuse(content, helm_is_enabled=folder.helm_is_enabled)
    return content


def _parsed(text: str) -> Object:
    from pinnace.cli.manifests import _Loader, where_in_yaml
    from pinnace.cli.yaml_aliases import check

    try:
        if "*" in text:
            check(yaml.compose(text, _Loader))
        content = yaml.load(text, _Loader)  # noqa: S506 (a safe loader of ours)
    except UnicodeEncodeError as error:
        raise BuildError("invalid Kustomization: yaml: invalid leading UTF-8 octet") from error
    except yaml.YAMLError as error:
        raise BuildError(f"invalid Kustomization: yaml: {where_in_yaml(error)}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise BuildError(
            f"invalid Kustomization: json: cannot unmarshal {_go_kind(content)} into Go value of type types.Kustomization"
        )
    content = _with_text_keys(content)
    _check(content, FIELDS, "", "Kustomization")
    return {key: value for key, value in content.items() if value is not None}


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_text_keys(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {text_of(key): _with_text_keys(item) for key, item in value.items()}


def _check(value: Any, wanted: Any, path: str, struct: str) -> None:
    """Unknown fields and wrong types, in the words of Go's JSON decoder; `struct` is the Go type that has the field."""
    if value is None or wanted == "any":
        return
    if isinstance(wanted, list):
        if not isinstance(value, list):
            raise _mistyped(value, path, wanted, struct)
        for item in value:
            _check(item, wanted[0], path, struct)
    elif isinstance(wanted, dict):
        if not isinstance(value, dict):
            raise _mistyped(value, path, wanted, struct)
        struct = wanted.get("", struct)
        for key in sorted(value):
            inner = wanted.get("*") or (wanted.get(key) if key else None)
            if inner is None:
                raise BuildError(f'invalid Kustomization: json: unknown field "{key}"')
            embedded = _EMBEDDED.get(key, "") if struct.endswith("Args") else ""
            below = path if "*" in wanted else f"{path}.{embedded}{key}" if path else key
            _check(value[key], inner, below, struct)
    elif not isinstance(value, {"string": str, "bool": bool, "int": int}[wanted]) or (
        wanted == "int" and isinstance(value, bool)
    ):
        raise _mistyped(value, path, wanted, struct)


_EMBEDDED = {
    **dict.fromkeys(("name", "namespace", "behavior", "options"), "GeneratorArgs."),
    **dict.fromkeys(("literals", "files", "envs", "env"), "GeneratorArgs.KvPairSources."),
}


def _mistyped(value: Any, path: str, wanted: Any, struct: str) -> BuildError:
    return BuildError(
        f"invalid Kustomization: json: cannot unmarshal {_go_kind(value)} into Go struct field {struct}.{path} "
        f"of type {_go_type(wanted)}"
    )


def _go_kind(value: Any) -> str:
    kinds = {bool: "bool", str: "string", int: "number", float: "number", list: "array"}
    return kinds.get(type(value), "object")


def _go_type(wanted: Any) -> str:
    if isinstance(wanted, list):
        return f"[]{_go_type(wanted[0])}"
    if isinstance(wanted, dict):
        return f"map[string]{_go_type(wanted['*'])}" if "*" in wanted else "types.struct"
    return str(wanted)


def _warn(content: Object) -> None:
    for old, new in _DEPRECATED.items():
        if old in content:
            experimental = "[EXPERIMENTAL] " if old == "vars" else ""
            print(
                f"# Warning: '{old}' is deprecated. Please use '{new}' instead. "
                f"{experimental}Run 'kustomize edit fix' to update your Kustomization automatically.",
                file=sys.stderr,
            )


def _translated(content: Object) -> Object:
    """Old fields moved to where they belong now."""
    content = dict(content)
    for old, new in (("bases", "resources"), ("imageTags", "images")):
        if old in content:
            content[new] = [*(content.get(new) or []), *content.pop(old)]
    for field in ("configMapGenerator", "secretGenerator"):
        for row in content.get(field) or ():
            if row.get("env"):
                row["envs"] = [*(row.get("envs") or []), row["env"]]
    return content


def _check_versions(content: Object, root: str) -> None:
    kind = content.setdefault("kind", "Kustomization")
    wanted = API_VERSIONS["Component" if kind == "Component" else "Kustomization"]
    wrong = []
    if kind not in API_VERSIONS:
        wrong.append("kind should be Kustomization or Component")
    if content.get("apiVersion", wanted) != wanted:
        wrong.append(f"apiVersion for {kind} should be {wanted}")
    if wrong:
        raise BuildError("\n".join([f"Failed to read kustomization file under {root}:", *wrong]))


def _refuse(content: Object, *, helm_is_enabled: bool) -> None:
    for field in _HELM:
        for chart in content.get(field) or ():
            if helm_is_enabled:
                raise NotCovered(f"the field '{field}'")
            with configuring("HelmChartInflationGenerator", chart):
                raise BuildError("must specify --enable-helm")
    for field in _NOT_COVERED:
        if content.get(field):
            raise NotCovered(f"the field '{field}'")
