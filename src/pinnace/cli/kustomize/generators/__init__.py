"""What a kustomization makes: one row per field, in the order in which they run."""

from collections.abc import Iterator
from typing import Any

from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.generators import maps
from pinnace.cli.kustomize.resource import Resource

GENERATORS = {"configMapGenerator": maps.config_map, "secretGenerator": maps.secret}


def generate(folder: Folder, content: dict[str, Any]) -> Iterator[Resource]:
    common = content.get("generatorOptions") or {}
    for field, make in GENERATORS.items():
        for row in content.get(field) or ():
            yield make(folder, row, common)
