"""`replicas`: how many pods a workload of a name has."""

from typing import Any

from pinnace.cli.kustomize.errors import BuildError
from pinnace.cli.kustomize.field_tables import REPLICAS
from pinnace.cli.kustomize.fields import change
from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.identity import Gvk
from pinnace.cli.kustomize.resource_set import ResourceSet

_ORDER = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")


def transform(_: Folder, content: dict[str, Any], resources: ResourceSet) -> None:
    for row in content.get("replicas") or ():
        name, count, found = row.get("name", ""), row.get("count", 0), False
        for spec in REPLICAS:
            wanted = Gvk(kind=spec.kind)
            for one in resources.items:
                if any(known.name == name and known.gvk.is_selected(wanted) for known in one.ids):
                    found = True
                    change(one, (spec,), lambda holder, key, count=count: holder.update({key: count}), int)  # type: ignore[misc]
        if not found:
            kinds = " ".join(str(Gvk(kind=kind)) for kind in _ORDER)
            raise BuildError(
                f"resource with name {name} does not match a config with the following GVK [{kinds}]"
            )
