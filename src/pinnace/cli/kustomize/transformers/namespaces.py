"""`namespace`: of every object that can be in one, and of the default service accounts that bindings name."""

from typing import Any

from pinnace.cli.kustomize.errors import BuildError
from pinnace.cli.kustomize.field_tables import NAMESPACES
from pinnace.cli.kustomize.fields import change
from pinnace.cli.kustomize.files import Folder
from pinnace.cli.kustomize.resource_set import ResourceSet


def transform(_: Folder, content: dict[str, Any], resources: ResourceSet) -> None:
    namespace = content.get("namespace")
    if not namespace:
        return
    for one in resources.items:
        one.remember()
        if not one.gvk.is_cluster_scoped:
            one.metadata["namespace"] = namespace
        if one.kind in ("RoleBinding", "ClusterRoleBinding"):
            for subject in one.obj.get("subjects") or ():
                if subject.get("name") == "default":
                    subject["namespace"] = namespace
        change(one, NAMESPACES, lambda holder, key: holder.update({key: namespace}), str)
        same = resources.with_id(one.id)
        if len(same) != 1:
            raise BuildError(
                f"namespace transformation produces ID conflict: [{' '.join(other.text for other in same)}]"
            )
