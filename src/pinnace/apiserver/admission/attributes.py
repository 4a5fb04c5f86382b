"""What an admission plugin sees of one write."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from pinnace.api.resources import Resource
from pinnace.apimachinery.gvk import GVK, parse_api_version
from pinnace.apiserver.authn.user import User

Object = dict[str, Any]
Operation = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


@dataclass(slots=True)
class Reinvocation:
    """What plugins of the mutating phase tell each other: `requested` asks for a second round of the whole phase.

    `running` is set in that second round, which is the last. `notes` holds what a plugin remembers from the first, by its name.
    """

    requested: bool = False
    running: bool = False
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Admission:
    """`object` is None on DELETE; plugins in the mutating phase may change it in place. `old` is read-only.

    For a subresource with a body of its own (`pods/binding`, `pods/eviction`, `deployments/scale`, `pods/exec`, ...) `object` is
    that body: a Binding, an Eviction, a Scale, PodExecOptions. With CONNECT it is the options of the connection.
    """

    operation: Operation
    resource: Resource
    user: User
    now: datetime
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    object: Object | None = None
    old: Object | None = None
    dry_run: bool = False
    make_options: Callable[[str], Object | None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None
    annotate: Callable[[str, str], None] = lambda _, __: None  # an annotation of the request's audit event
    default: Callable[[Object], None] = lambda _: None  # fills defaults in after a change of `object`
    reinvocation: Reinvocation | None = None  # made by the first plugin that needs it: see `again`

    def is_for(self, resource: str, group: str = "", subresource: str = "") -> bool:
        gvr = self.resource.gvr
        return gvr.resource == resource and gvr.group == group and self.subresource == subresource

    def is_create_of(self, resource: str, group: str = "") -> bool:
        return self.operation == "CREATE" and self.is_for(resource, group)

    def again(self) -> Reinvocation:
        if self.reinvocation is None:
            self.reinvocation = Reinvocation()
        return self.reinvocation

    @property
    def options(self) -> Object | None:
        """CreateOptions, UpdateOptions or DeleteOptions of the operation, as upstream sends them; None for CONNECT."""
        return self.make_options(self.operation)

    @property
    def kind(self) -> GVK:
        """The kind of `object`: the resource's, or that of the subresource's own body."""
        sub = self.resource.subresource(self.subresource) if self.subresource else None
        if sub is None or not sub.kind:
            return self.resource.gvk
        group, version = parse_api_version(sub.api_version) if sub.api_version else self.resource.gvk[:2]
        return GVK(group, version, sub.kind)
