"""FlowSchemas: which requests belong to which priority level."""

from collections.abc import Iterator, Mapping
from typing import Any

from pinnace.api import fields, names, normalise
from pinnace.api.flowcontrol import defaults
from pinnace.api.flowcontrol.statuses import validate_conditions
from pinnace.api.meta import Object
from pinnace.api.strategy import Strategy
from pinnace.apimachinery.errors import Cause

MAX_PRECEDENCE, DEFAULT_PRECEDENCE = 10000, 1000
METHODS = ("ByNamespace", "ByUser")
KINDS = ("Group", "ServiceAccount", "User")
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_MEMBERS = {"User": "user", "Group": "group", "ServiceAccount": "serviceAccount"}


class FlowSchemaStrategy(Strategy):
    tracks_generation = True

    def set_defaults(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["matchingPrecedence"] = spec.get("matchingPrecedence") or DEFAULT_PRECEDENCE
        spec.setdefault("priorityLevelConfiguration", {}).setdefault("name", "")
        for rule in spec.get("rules") or ():
            for resource_rule in rule.get("resourceRules") or ():
                normalise.drop_empty(resource_rule, "clusterScope")

    def validate(self, obj: Object) -> list[Cause]:
        return super().validate(obj) + list(_validate(obj))

    def validate_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_update(new, old) + list(_validate(new))

    def validate_status_update(self, new: Object, old: Object) -> list[Cause]:
        return super().validate_status_update(new, old) + list(validate_conditions(new))


def _validate(obj: Object) -> Iterator[Cause]:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    yield from _validate_precedence(spec["matchingPrecedence"], name)
    method = spec.get("distinguisherMethod")
    if method is not None and method.get("type") not in METHODS:
        yield fields.not_supported("spec.distinguisherMethod.type", method.get("type") or "", METHODS)
    level, path = spec["priorityLevelConfiguration"]["name"], "spec.priorityLevelConfiguration.name"
    if level:
        yield from fields.all_invalid(path, level, names.dns_subdomain(level))
    else:
        yield fields.required(path, "must reference a priority level")
    for index, rule in enumerate(spec.get("rules") or ()):
        yield from _validate_rule(rule, f"spec.rules[{index}]")
    if name in defaults.MANDATORY and spec != defaults.schema_spec(name):
        yield fields.invalid("spec", spec, f"spec of '{name}' must equal the fixed value")


def _validate_precedence(precedence: int, name: str) -> Iterator[Cause]:
    path = "spec.matchingPrecedence"
    if precedence <= 0:
        yield fields.invalid(path, precedence, "must be a positive value")
    if precedence > MAX_PRECEDENCE:
        yield fields.invalid(path, precedence, f"must not be greater than {MAX_PRECEDENCE}")
    if precedence == 1 and name != defaults.EXEMPT:
        yield fields.invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")


def _validate_rule(rule: Mapping[str, Any], path: str) -> Iterator[Cause]:
    if not rule.get("subjects"):
        yield fields.required(f"{path}.subjects", "subjects must contain at least one value")
    for index, subject in enumerate(rule.get("subjects") or ()):
        yield from _validate_subject(subject, f"{path}.subjects[{index}]")
    resource_rules, other_rules = rule.get("resourceRules") or (), rule.get("nonResourceRules") or ()
    if not resource_rules and not other_rules:
        why = "at least one of resourceRules and nonResourceRules has to be non-empty"
        yield fields.required(path, why)
    for index, one in enumerate(resource_rules):
        yield from _validate_resources(one, f"{path}.resourceRules[{index}]")
    for index, one in enumerate(other_rules):
        yield from _validate_urls(one, f"{path}.nonResourceRules[{index}]")


def _validate_subject(subject: Mapping[str, Any], path: str) -> Iterator[Cause]:
    kind = subject.get("kind") or ""
    if kind not in KINDS:
        yield fields.not_supported(f"{path}.kind", kind, KINDS)
        return
    for other, member in _MEMBERS.items():
        if other != kind and subject.get(member) is not None:
            why = f"{member} is forbidden when subject kind is not '{other}'"
            yield fields.forbidden(f"{path}.{member}", why)
    member = _MEMBERS[kind]
    own, here = subject.get(member), f"{path}.{member}"
    if own is None:
        yield fields.required(here, f"{member} is required when subject kind is '{kind}'")
        return
    name = own.get("name") or ""
    if not name:
        yield fields.required(f"{here}.name")
    if kind != "ServiceAccount":
        return
    if name and name != "*":
        yield from fields.all_invalid(f"{here}.name", name, names.dns_subdomain(name))
    if namespace := own.get("namespace"):
        yield from fields.all_invalid(f"{here}.namespace", namespace, names.dns_label(namespace))
    else:
        yield fields.required(f"{here}.namespace", "must specify namespace for service account")


def _validate_verbs(rule: Mapping[str, Any], path: str) -> Iterator[Cause]:
    verbs = rule.get("verbs") or []
    if not verbs:
        yield fields.required(f"{path}.verbs", "verbs must contain at least one value")
    elif "*" in verbs:
        if len(verbs) > 1:
            yield fields.invalid(f"{path}.verbs", verbs, "if '*' is present, must not specify other verbs")
    elif not set(verbs) <= set(VERBS):
        yield fields.not_supported(f"{path}.verbs", verbs, VERBS)


def _validate_listed(
    rule: Mapping[str, Any], field: str, missing: str, what: str, path: str
) -> Iterator[Cause]:
    listed = rule.get(field) or []
    if not listed:
        yield fields.required(f"{path}.{field}", missing)
    elif "*" in listed and len(listed) > 1:
        yield fields.invalid(f"{path}.{field}", listed, f"if '*' is present, must not specify other {what}")


def _validate_resources(rule: Mapping[str, Any], path: str) -> Iterator[Cause]:
    yield from _validate_verbs(rule, path)
    missing = "resource rules must supply at least one api group"
    yield from _validate_listed(rule, "apiGroups", missing, "api groups", path)
    missing = "resource rules must supply at least one resource"
    yield from _validate_listed(rule, "resources", missing, "resources", path)
    spaces, here = rule.get("namespaces") or [], f"{path}.namespaces"
    if not spaces and not rule.get("clusterScope"):
        why = "resource rules that are not cluster scoped must supply at least one namespace"
        yield fields.required(here, why)
    elif "*" in spaces:
        if len(spaces) > 1:
            yield fields.invalid(here, spaces, "if '*' is present, must not specify other namespaces")
    else:
        for index, space in enumerate(spaces):
            for message in names.dns_label(space):
                why = f"each member of this list must be '*' or a DNS-1123 label; {message}"
                yield fields.invalid(f"{here}[{index}]", space, why)


def _validate_urls(rule: Mapping[str, Any], path: str) -> Iterator[Cause]:
    yield from _validate_verbs(rule, path)
    missing = "nonResourceURLs must contain at least one value"
    yield from _validate_listed(rule, "nonResourceURLs", missing, "non-resource URLs", path)
    urls = rule.get("nonResourceURLs") or ()
    if "*" not in urls:
        for index, url in enumerate(urls):
            if wrong := _wrong_url(url):
                yield fields.invalid(f"{path}.nonResourceURLs[{index}]", url, wrong)


def _wrong_url(url: str) -> str:
    if not url:
        return "must not be empty"
    if url == "/":
        return ""
    if not url.startswith("/"):
        return "must start with slash"
    if " " in url:
        return "must not contain white-space"
    if "//" in url:
        return "must not contain double slash"
    wildcards = url.count("*")
    if wildcards > 1 or (wildcards == 1 and not url.endswith("/*")):
        return "wildcard can only do suffix matching"
    return ""
