"""Where in objects a transformer works: paths such as `spec/template/spec/containers/image`, for some kinds only.

A path goes through every element of the lists on its way; `\\/` is a slash in a key.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from pinnace.cli.kustomize.errors import BuildError
from pinnace.cli.kustomize.identity import Gvk
from pinnace.cli.kustomize.resource import Resource

Object = dict[str, Any]
Change = Callable[[Object, str], None]  # of a field, given as the object and the key that hold it


class FieldSpec(NamedTuple):
    path: str
    kind: str = ""
    group: str = ""
    version: str = ""
    create: bool = False

    def fits(self, gvk: Gvk) -> bool:
        return gvk.is_selected(Gvk(self.group, self.version, self.kind))


def from_user(row: Object) -> FieldSpec:
    """A row of `fields` in a kustomization."""
    return FieldSpec(
        row.get("path", ""), row.get("kind", ""), row.get("group", ""), row.get("version", ""), bool(row.get("create"))
    )  # fmt: skip


def change(
    one: Resource, specs: "tuple[FieldSpec, ...] | list[FieldSpec]", what: Change, new: Any = None
) -> None:
    """Let `what` change the field of each spec that fits; where it may be created, `new()` is put there first."""
    gvk = one.gvk
    for spec in specs:
        if spec.fits(gvk):
            try:
                _walk(one.obj, keys(spec.path), what, new if spec.create else None)
            except BuildError as error:
                raise BuildError(f"considering field '{spec.path}' of object {one.id}: {error}") from error


def keys(path: str) -> list[str]:
    found: list[str] = []
    for part in path.split("/"):
        if found and found[-1].endswith("\\"):
            found[-1] = f"{found[-1][:-1]}/{part}"
        else:
            found.append(part)
    return found


def _walk(node: Any, path: list[str], what: Change, new: Callable[[], Any] | None) -> None:
    if isinstance(node, list):
        for item in node:
            _walk(item, path, what, new)
        return
    if not isinstance(node, dict):
        raise BuildError("expected sequence or mapping node")
    key, is_list = path[0].removesuffix("[]"), path[0].endswith("[]")
    last = len(path) == 1
    if node.get(key) is None:
        if new is None or is_list:
            return
        node[key] = new() if last else {}
    if last:
        what(node, key)
    else:
        _walk(node[key], path[1:], what, new)
