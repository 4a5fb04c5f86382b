"""Columns of RoleBindings and ClusterRoleBindings. Roles have none of their own, as upstream."""

from datetime import datetime

from pinnace.api.columns.table import AGE, NAME, Cell, Column, TableDef, age, name, wide
from pinnace.api.meta import Object


def _cells(obj: Object, now: datetime) -> list[Cell]:
    role = obj.get("roleRef") or {}
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in obj.get("subjects") or ():
        text = subject.get("name", "")
        if subject.get("kind") == "ServiceAccount":
            text = f"{subject.get('namespace', '')}/{text}"
        by_kind.setdefault(subject.get("kind", ""), []).append(text)
    subjects = [", ".join(by_kind[kind]) for kind in ("User", "Group", "ServiceAccount")]
    return [name(obj), f"{role.get('kind', '')}/{role.get('name', '')}", age(obj, now), *subjects]


BINDINGS = TableDef(
    (
        NAME,
        Column("Role", description="The role that the subjects get; it cannot be changed."),
        AGE,
        wide("Users", "Users in the binding."),
        wide("Groups", "Groups in the binding."),
        wide("ServiceAccounts", "ServiceAccounts in the binding."),
    ),
    _cells,
)
