"""`commonAnnotations`: on every object and every template."""

from typing import Any

from pinnace.cli.kustomize.field_tables import ANNOTATIONS
from pinnace.cli.kustomize.fields import change
from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.resource_set import ResourceSet


def transform(_: Folder, content: dict[str, Any], resources: ResourceSet) -> None:
    pairs = content.get("commonAnnotations")
    if not pairs:
        return
    for one in resources.items:
        change(one, ANNOTATIONS, lambda holder, key: holder[key].update(pairs), dict)
