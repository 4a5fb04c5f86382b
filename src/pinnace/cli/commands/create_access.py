"""`create clusterrole`, `role`, their bindings and `create token`: manifests from flags."""

import sys
from collections.abc import Iterable
from typing import Any

from pinnace.cli import printers
from pinnace.cli.commands.create_generators import WrongName, the_name
from pinnace.cli.errors import CliError, PlainError, ServerError
from pinnace.cli.flags import Values
from pinnace.cli.session import Session

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
RESOURCE_VERBS = (
    "*", "get", "delete", "list", "create", "update", "patch", "watch", "proxy", "deletecollection", "use", "bind",
    "escalate", "impersonate",
)  # fmt: skip
NON_RESOURCE_VERBS = ("*", "get", "post", "put", "delete", "patch", "head", "options")
SPECIAL_VERBS = {
    "use": (("policy", "podsecuritypolicies"), ("extensions", "podsecuritypolicies")),
    "bind": ((RBAC, "roles"), (RBAC, "clusterroles")),
    "escalate": ((RBAC, "roles"), (RBAC, "clusterroles")),
    "impersonate": (("", "users"), ("", "serviceaccounts"), ("", "groups"), ("authentication.k8s.io", "userextras")),
}  # fmt: skip


def cluster_role(session: Session, flags: Values, arguments: list[str]) -> Iterable[Object]:
    name = the_name(arguments)
    urls, resources = flags["non-resource-url"], flags["resource"]
    if flags["aggregation-rule"]:
        if urls or resources or flags["resource-name"] or flags["verb"]:
            raise CliError(
                "aggregation rule must be specified without nonResourceURLs, verbs, resources or resourceNames"
            )
        selector = dict(_pair(text) for text in flags["aggregation-rule"])
        aggregation = {"clusterRoleSelectors": [{"matchLabels": selector}]}
        yield {**_role("ClusterRole", name), "aggregationRule": aggregation, "rules": None}
        return
    verbs = _verbs(flags)
    if not resources and not urls:
        raise CliError("one of resource or nonResourceURL must be specified")
    rules = _resource_rules(session, flags, verbs) if resources else []
    if urls:
        for verb in verbs:
            if verb not in NON_RESOURCE_VERBS:
                raise CliError(f"invalid verb: '{verb}' for nonResourceURL")
        for url in urls:
            if url != "*" and not url.startswith("/"):
                raise CliError("nonResourceURL should start with /")
            if "*" in url[:-1]:
                raise CliError("nonResourceURL only supports wildcard matches when '*' is at the end")
        rules.append({"nonResourceURLs": urls, "verbs": verbs})
    yield {**_role("ClusterRole", name), "rules": rules}


def role(session: Session, flags: Values, arguments: list[str]) -> Iterable[Object]:
    name = the_name(arguments)
    verbs = _verbs(flags)
    if not flags["resource"]:
        raise CliError("at least one resource must be specified")
    yield {**_role("Role", name), "rules": _resource_rules(session, flags, verbs)}


def _role(kind: str, name: str) -> Object:
    return {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": {"name": name}}


def _pair(text: str) -> tuple[str, str]:
    key, _, value = text.partition("=")
    return key, value


def _verbs(flags: Values) -> list[str]:
    verbs = list(dict.fromkeys(flags["verb"]))
    if not verbs:
        raise CliError("at least one verb must be specified")
    return ["*"] if "*" in verbs else verbs


def _resource_rules(session: Session, flags: Values, verbs: list[str]) -> list[Object]:
    """One rule for each API group."""
    names = list(dict.fromkeys(flags["resource-name"]))
    texts = list(dict.fromkeys(flags["resource"]))
    if "*" in texts and len(texts) > 1:
        texts = ["*"]
    for verb in verbs:
        if verb not in RESOURCE_VERBS:
            print(f"Warning: '{verb}' is not a standard resource verb", file=sys.stderr)
    groups: dict[str, list[str]] = {}
    for text in texts:
        group, resource = _group_and_resource(session, text)
        for verb in verbs:
            if verb in SPECIAL_VERBS and (group, resource.partition("/")[0]) not in SPECIAL_VERBS[verb]:
                raise CliError(f"can not perform '{verb}' on '{resource}' in group '{group}'")
        groups.setdefault(group, []).append(resource)
    shared = {"resourceNames": names} if names else {}
    return [
        {"apiGroups": [group], "resources": groups[group], **shared, "verbs": verbs}
        for group in sorted(groups)
    ]


def _group_and_resource(session: Session, text: str) -> tuple[str, str]:
    text, slash, subresource = text.partition("/")
    if not text:
        raise CliError("resource must be specified if apiGroup/subresource specified")
    name, _, group = text.partition(".")
    if name == "*":
        return group or "*", f"*{slash}{subresource}" if subresource else "*"
    try:
        found = session.mapper.find(text)
    except CliError as error:
        raise PlainError(str(error)) from error
    return found.group, f"{found.name}/{subresource}" if subresource else found.name


# --- bindings


def cluster_role_binding(flags: Values, arguments: list[str]) -> Iterable[Object]:
    if not flags["clusterrole"]:
        raise CliError('required flag(s) "clusterrole" not set')
    yield _binding("ClusterRoleBinding", the_name(arguments), "ClusterRole", flags["clusterrole"], flags)


def role_binding(flags: Values, arguments: list[str]) -> Iterable[Object]:
    name = the_name(arguments)
    if bool(flags["clusterrole"]) == bool(flags["role"]):
        raise CliError("exactly one of clusterrole or role must be specified")
    kind = "ClusterRole" if flags["clusterrole"] else "Role"
    yield _binding("RoleBinding", name, kind, flags["clusterrole"] or flags["role"], flags)


def _binding(kind: str, name: str, role_kind: str, role_name: str, flags: Values) -> Object:
    users = [{"apiGroup": RBAC, "kind": "User", "name": user} for user in flags["subject-users"]]
    groups = [{"apiGroup": RBAC, "kind": "Group", "name": group} for group in flags["group"]]
    accounts = [_account(text) for text in flags["serviceaccount"]]
    subjects = [*users, *groups, *accounts]
    return {
        **_role(kind, name),
        "roleRef": {"apiGroup": RBAC, "kind": role_kind, "name": role_name},
        **({"subjects": subjects} if subjects else {}),
    }


def _account(text: str) -> Object:
    parts = text.split(":")
    if len(parts) != 2 or not parts[0] or not parts[1]:
        raise CliError("serviceaccount must be <namespace>:<name>")
    return {"kind": "ServiceAccount", "name": parts[1], "namespace": parts[0]}


# --- tokens

_BOUND = {"Node": "v1", "Pod": "v1", "Secret": "v1"}


def token(session: Session, flags: Values, arguments: list[str]) -> int:
    try:
        name = the_name(arguments)
    except WrongName as error:
        raise CliError(f"{error}\nSee '{session.path} -h' for help and examples") from error
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": _token_spec(flags)}
    path = f"/api/v1/namespaces/{session.namespace}/serviceaccounts/{name}/token"
    try:
        made = session.http.request("POST", path, {}, body)
    except ServerError as error:
        raise CliError(f"failed to create token: {error}") from error
    if not flags["output"] and not flags["template"]:
        if not (made.get("status") or {}).get("token"):
            raise CliError("failed to create token: no token in server response")
        print(made["status"]["token"])
        return 0
    printers.printer(flags, lambda _: f"tokenrequest.authentication.k8s.io/{name}")(made)
    return 0


def _token_spec(flags: Values) -> Object:
    seconds, kind = flags["duration"], flags["bound-object-kind"]
    if seconds < 0:
        raise CliError("--duration must be greater than or equal to 0")
    if seconds != int(seconds):
        raise CliError("--duration cannot be expressed in units less than seconds")
    spec: Object = {"audiences": flags["audience"]}
    if seconds:
        spec["expirationSeconds"] = int(seconds)
    if not kind:
        for flag in ("bound-object-name", "bound-object-uid"):
            if flags[flag]:
                raise CliError(f"--{flag} can only be set if --bound-object-kind is provided")
        return spec
    if kind not in _BOUND:
        raise CliError(f"supported --bound-object-kind values are {', '.join(_BOUND)}")
    if not flags["bound-object-name"]:
        raise CliError("--bound-object-name is required if --bound-object-kind is provided")
    bound = {"kind": kind, "apiVersion": _BOUND[kind], "name": flags["bound-object-name"]}
    spec["boundObjectRef"] = {
        **bound,
        **({"uid": flags["bound-object-uid"]} if flags["bound-object-uid"] else {}),
    }
    return spec
