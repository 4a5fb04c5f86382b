"""RoleBindings and ClusterRoleBindings: who gets a role. The role, once chosen, stays."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pinnace.api import fields, names
from pinnace.api.meta import Object
from pinnace.api.rbac.roles import API_GROUP
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

SUBJECT_KINDS = ("ServiceAccount", "User", "Group")


class RoleBindingStrategy(Strategy):
    allows_create_on_update = True

    def check_name(self, name: str) -> Sequence[str]:
        return names.path_segment(name)

    def set_defaults(self, obj: Object) -> None:
        role = obj.setdefault("roleRef", {})
        role["apiGroup"] = role.get("apiGroup") or API_GROUP
        for subject in obj.get("subjects") or ():
            if subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = subject.get("apiGroup") or API_GROUP

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(self._validate_binding(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        found = super().validate_update(new, old) + list(self._validate_binding(new))
        if new.get("roleRef") != old.get("roleRef"):
            found.append(fields.invalid("roleRef", new.get("roleRef"), "cannot change roleRef"))
        return found

    def _validate_binding(self, obj: Object) -> Iterator[Cause]:
        kinds = ("Role", "ClusterRole") if self.namespaced else ("ClusterRole",)
        yield from _validate_role(obj.get("roleRef") or {}, kinds)
        for index, subject in enumerate(obj.get("subjects") or ()):
            yield from _validate_subject(subject, self.namespaced, f"subjects[{index}]")


def _validate_role(role: Mapping[str, Any], kinds: Sequence[str]) -> Iterator[Cause]:
    if role.get("apiGroup") != API_GROUP:
        yield fields.not_supported("roleRef.apiGroup", role.get("apiGroup", ""), (API_GROUP,))
    if role.get("kind") not in kinds:
        yield fields.not_supported("roleRef.kind", role.get("kind", ""), kinds)
    name = role.get("name") or ""
    if not name:
        yield fields.required("roleRef.name")
    else:
        yield from fields.all_invalid("roleRef.name", name, names.path_segment(name))


def _validate_subject(subject: Mapping[str, Any], namespaced: bool, path: str) -> Iterator[Cause]:
    name, kind, group = subject.get("name") or "", subject.get("kind", ""), subject.get("apiGroup") or ""
    if not name:
        yield fields.required(f"{path}.name")
    if kind == "ServiceAccount":
        if name:
            yield from fields.all_invalid(f"{path}.name", name, names.dns_subdomain(name))
        if group:
            yield fields.not_supported(f"{path}.apiGroup", group, ("",))
        if not namespaced and not subject.get("namespace"):
            yield fields.required(f"{path}.namespace")
    elif kind in SUBJECT_KINDS:
        if group != API_GROUP:
            yield fields.not_supported(f"{path}.apiGroup", group, (API_GROUP,))
    else:
        yield fields.not_supported(f"{path}.kind", kind, SUBJECT_KINDS)
