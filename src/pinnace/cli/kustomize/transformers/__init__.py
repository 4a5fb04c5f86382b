"""What a kustomization changes: one row per transformer, in the order in which they run."""

from typing import Any

from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.resource_set import ResourceSet
from pinnace.cli.kustomize.transformers import (
    annotations,
    images,
    json_patches,
    labels,
    names,
    namespaces,
    patches,
    replacements,
    replicas,
)

TRANSFORMERS = (
    patches.strategic_merges,
    patches.patches,
    namespaces.transform,
    names.prefix,
    names.suffix,
    labels.transform,
    annotations.transform,
    json_patches.transform,
    replicas.transform,
    images.transform,
    replacements.transform,
)


def transform(folder: Folder, content: dict[str, Any], resources: ResourceSet) -> None:
    for step in TRANSFORMERS:
        step(folder, content, resources)
