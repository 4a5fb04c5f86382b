"""Impersonate-User, -Group, -Uid and -Extra-*: act as somebody else, if RBAC lets the caller impersonate."""

from urllib.parse import unquote

from pinnace.apimachinery import errors
from pinnace.apiserver.authn.user import AUTHENTICATED, UNAUTHENTICATED, User
from pinnace.apiserver.authz.attributes import Attributes
from pinnace.apiserver.authz.refusal import refusal
from pinnace.apiserver.request import Answer, Handler, Request

_EXTRA = "impersonate-extra-"
_ACCOUNT = "system:serviceaccount:"


async def impersonate(inner: Handler, request: Request) -> Answer:
    name = request.headers.get("Impersonate-User", "")
    groups = request.header_values("Impersonate-Group")
    uid = request.headers.get("Impersonate-Uid", "")
    extra = _extra(request)
    if not (name or groups or uid or extra):
        return await inner(request)
    if not name:
        raise errors.BadRequest(
            "requested impersonation without impersonating a user: Impersonate-User header is required"
        )
    for attributes in _permissions(request.user, name, groups, uid, extra):
        decision = await request.services.authorizer.authorize(attributes)
        if not decision.allowed:
            raise refusal(attributes, decision.reason)
    request.user = User(name, _effective_groups(name, groups), uid, extra)
    return await inner(request)


def _extra(request: Request) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for header in request.headers:
        if header[:1] in "iI" and header.lower().startswith(_EXTRA):
            key = unquote(header[len(_EXTRA) :]).lower()
            found[key] = request.header_values(header)
    return found


def _permissions(
    user: User, name: str, groups: tuple[str, ...], uid: str, extra: dict[str, tuple[str, ...]]
) -> list[Attributes]:
    """Everything the caller must be allowed to impersonate."""

    def may(resource: str, named: str, *, group: str = "", space: str = "", sub: str = "") -> Attributes:
        return Attributes(user, "impersonate", True, group, "", resource, space, named, sub)

    if name.startswith(_ACCOUNT) and name.count(":") == 3:
        _, _, space, account = name.split(":")
        needed = [may("serviceaccounts", account, space=space)]
    else:
        needed = [may("users", name)]
    needed += [may("groups", group) for group in groups]
    if uid:
        needed.append(may("uids", uid, group="authentication.k8s.io"))
    for key, values in extra.items():
        needed += [may("userextras", value, group="authentication.k8s.io", sub=key) for value in values]
    return needed


def _effective_groups(name: str, groups: tuple[str, ...]) -> tuple[str, ...]:
    if name == "system:anonymous":
        return groups if UNAUTHENTICATED in groups else (*groups, UNAUTHENTICATED)
    if not groups and name.startswith(_ACCOUNT) and name.count(":") == 3:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{name.split(':')[2]}")
    known = AUTHENTICATED in groups or UNAUTHENTICATED in groups
    return groups if known else (*groups, AUTHENTICATED)
