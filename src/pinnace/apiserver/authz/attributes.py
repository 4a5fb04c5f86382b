"""What an authorizer decides on."""

from dataclasses import dataclass, field

from pinnace.apiserver.authn.user import User
from pinnace.apiserver.request_info import RequestInfo


@dataclass(slots=True, unsafe_hash=True)
class Attributes:
    """Nobody changes one: not frozen because every request makes one, and that takes twice as long.

    The selectors, as text, are no part of equality: RBAC, which remembers decisions, does not look at them."""

    user: User
    verb: str
    is_resource: bool
    group: str = ""
    version: str = ""
    resource: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    path: str = ""
    field_selector: str = field(default="", compare=False)
    label_selector: str = field(default="", compare=False)

    @classmethod
    def of(cls, user: User, info: RequestInfo) -> "Attributes":
        return cls(
            user, info.verb, info.is_resource, info.group, info.version, info.resource, info.namespace,
            info.name, info.subresource, info.path, info.field_selector, info.label_selector,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` explains an allowance in reviews, and is appended to a refusal; `error` is what hindered an authorizer."""

    allowed: bool
    reason: str = ""
    denied: bool = False
    error: str = ""


NO_OPINION = Decision(False)
