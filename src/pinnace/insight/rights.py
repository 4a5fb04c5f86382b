"""What RBAC says about a question: who grants it, or which roles and bindings come near, and the command that grants it. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pinnace.api import meta
from pinnace.insight.findings import CAUSE, NOTE, Evidence, Finding, Object, word
from pinnace.insight.world import World

_ACCOUNT = "system:serviceaccount:"
_MOST_NEAR = 4


class Question(NamedTuple):
    """`resource` with `group` and `name`, or `path`; no namespace: in the whole cluster."""

    verb: str
    resource: str = ""
    group: str = ""
    name: str = ""
    namespace: str = ""
    path: str = ""

    @property
    def text(self) -> str:
        what = (
            self.path
            or f"{self.resource}{f'.{self.group}' if self.group else ''}{f' {self.name}' if self.name else ''}"
        )
        where = (
            "" if self.path else f" in namespace {self.namespace}" if self.namespace else " in all namespaces"
        )
        return f"{self.verb} {what}{where}"


class Subject(NamedTuple):
    user: str
    groups: tuple[str, ...] = ()

    def is_meant(self, by: Object, namespace: str) -> bool:
        kind, name = by.get("kind"), by.get("name", "")
        if kind == "ServiceAccount":
            return self.user == f"{_ACCOUNT}{by.get('namespace') or namespace}:{name}"
        return name == self.user if kind == "User" else kind == "Group" and name in self.groups

    @property
    def flags(self) -> str:
        """As `kubectl create rolebinding` takes it."""
        if self.user.startswith(_ACCOUNT):
            return f"--serviceaccount={word(self.user.removeprefix(_ACCOUNT))}"
        return f"--user={word(self.user)}"


class Grant(NamedTuple):
    """A binding and its role; `role` is None where it is not there or may not be read."""

    binding: Object
    role: Object | None

    @property
    def text(self) -> str:
        reference = self.binding["roleRef"]
        return f"{self.binding['kind']} {meta.key_text(self.binding)} gives {reference['kind']} {reference['name']}"

    def reaches(self, namespace: str) -> bool:
        return self.binding["kind"] == "ClusterRoleBinding" or (
            bool(namespace) and meta.namespace(self.binding) == namespace
        )


def account_groups(user: str) -> tuple[str, ...]:
    """The groups that every request of a service account carries."""
    namespace = user.removeprefix(_ACCOUNT).partition(":")[0]
    return "system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"


def explain(question: Question, subject: Subject, *, is_allowed: bool, reason: str, world: World) -> Finding:
    """About the answer that the server has given."""
    grants = list(_grants(world, question.namespace))
    mine = [
        one for one in grants
        if any(subject.is_meant(by, meta.namespace(one.binding)) for by in one.binding.get("subjects") or ())
    ]  # fmt: skip
    if is_allowed:
        by = [one for one in mine if one.reaches(question.namespace) and _allows(one.role, question)]
        evidence = [Evidence("granted by", one.text) for one in by[:_MOST_NEAR]]
        if not by and reason:
            evidence = [Evidence("granted by", reason)]
        return _about(subject, f"it may {question.text}", NOTE, evidence, ())
    evidence = [Evidence("the server says", reason)] if reason else []
    evidence += list(_near(question, subject, mine, grants))[:_MOST_NEAR]
    return _about(subject, f"it may not {question.text}: {_why(mine, question, world)}", CAUSE, evidence, _commands(question, subject, world))  # fmt: skip


def _about(subject: Subject, cause: str, rank: int, evidence: Iterable[Evidence], commands: Iterable[str]) -> Finding:  # fmt: skip
    kind, namespace, name = "User", "", subject.user
    if name.startswith(_ACCOUNT):
        kind, (namespace, _, name) = "ServiceAccount", name.removeprefix(_ACCOUNT).partition(":")
    return Finding("rights", kind, namespace, name, rank, cause, tuple(evidence), tuple(commands))


def _why(mine: list[Grant], question: Question, world: World) -> str:
    if not world.can_list("ClusterRoleBinding"):
        return "nobody grants it (the bindings may not be read)"
    mine = [one for one in mine if not _is_internal(one.binding)]  # what everybody has is no answer
    reaching = [one for one in mine if one.reaches(question.namespace)]
    if not mine:
        return "no binding names it"
    if not reaching:
        return "what it is bound to holds in other namespaces only"
    gone = [one for one in reaching if one.role is None and _is_gone(one, world)]
    if gone and len(gone) == len(reaching):
        return f"{gone[0].text}, which is not there"
    return "no role that it is bound to allows that"


def _grants(world: World, namespace: str) -> Iterator[Grant]:
    for kind in ("ClusterRoleBinding", "RoleBinding"):
        for binding in world.every(kind):
            yield Grant(binding, _role_of(binding, world))
    if namespace and not world.can_list("RoleBinding"):
        for binding in world.every("RoleBinding", namespace):
            yield Grant(binding, _role_of(binding, world))


def _role_of(binding: Object, world: World) -> Object | None:
    reference = binding["roleRef"]
    if reference["kind"] == "ClusterRole":
        return next((one for one in world.every("ClusterRole") if meta.name(one) == reference["name"]), None)
    found = world.every("Role", meta.namespace(binding))
    return next((one for one in found if meta.name(one) == reference["name"]), None)


def _is_gone(grant: Grant, world: World) -> bool:
    kind = grant.binding["roleRef"]["kind"]
    return world.can_list(kind, meta.namespace(grant.binding) if kind == "Role" else "")


def _rules(role: Object | None) -> list[Object]:
    return (role or {}).get("rules") or []


def _allows(role: Object | None, question: Question) -> bool:
    return any(_rule_allows(rule, question) for rule in _rules(role))


def _rule_allows(rule: Object, question: Question) -> bool:
    return not _lacks(rule, question)


def _lacks(rule: Object, question: Question) -> list[str]:
    """What the rule would need to allow it; a rule about something else lacks "resource"."""
    lacking = [] if _has(rule.get("verbs"), question.verb) else ["verb"]
    if question.path:
        paths = rule.get("nonResourceURLs") or ()
        is_there = any(
            one == question.path or (one.endswith("*") and question.path.startswith(one[:-1]))
            for one in paths
        )
        return [*lacking, *([] if is_there else ["resource"])]
    resources = rule.get("resources") or ()
    plain, _, sub = question.resource.partition("/")
    if not (_has(resources, question.resource) or (sub and f"*/{sub}" in resources)):
        lacking.append("subresource" if sub and plain in resources else "resource")
    if not _has(rule.get("apiGroups"), question.group):
        lacking.append("group")
    names = rule.get("resourceNames") or ()
    if names and question.name not in names:
        lacking.append("name")
    return lacking


def _has(listed: Iterable[str] | None, wanted: str) -> bool:
    return bool({"*", wanted} & set(listed or ()))


def _near(question: Question, subject: Subject, mine: list[Grant], grants: list[Grant]) -> Iterator[Evidence]:
    """What it has that is nearly enough, then what would be enough and is somebody else's."""
    for one in mine:
        if one.reaches(question.namespace):
            for rule in _rules(one.role):
                lacking = _lacks(rule, question)
                if len(lacking) == 1 and lacking != ["resource"]:
                    yield Evidence("near", f"{one.text}, {_but(lacking[0], rule, question)}")
        elif _allows(one.role, question):
            where = meta.namespace(one.binding)
            asked = f"not in {question.namespace}" if question.namespace else "not in all"
            yield Evidence("near", f"{one.text}, which allows it in namespace {where}, {asked}")
    for one in grants:
        if one not in mine and one.reaches(question.namespace) and _allows(one.role, question):
            for by in one.binding.get("subjects") or ():
                if _is_alike(by, subject):
                    who = (
                        f"{by.get('namespace') or meta.namespace(one.binding)}/{by['name']}"
                        if by["kind"] == "ServiceAccount"
                        else by["name"]
                    )
                    yield Evidence("near", f"{one.text} to {by['kind']} {who}, which is somebody else")


def _but(lacking: str, rule: Object, question: Question) -> str:
    match lacking:
        case "verb":
            return f"which allows {', '.join(rule.get('verbs') or ())} of {question.resource or question.path}, not {question.verb}"
        case "group":
            groups = ", ".join(f'"{one}"' for one in rule.get("apiGroups") or ())
            return f'which allows {question.resource} of API group {groups}, not of "{question.group}"'
        case "subresource":
            plain = question.resource.partition("/")[0]
            return f"which allows {question.verb} of {plain}, not of {question.resource}"
    return f"which allows it for {', '.join(rule.get('resourceNames') or ())}, not for {question.name or 'all of them'}"


def _is_alike(by: Object, subject: Subject) -> bool:
    """The same name in another namespace, as another kind, or written differently."""
    mine = subject.user.rpartition(":")[2]
    return by.get("name", "").rpartition(":")[2].lower() == mine.lower()


def _commands(question: Question, subject: Subject, world: World) -> list[str]:
    """Bind the narrowest role that allows it; if there is none, make one."""
    name = f"{subject.user.rpartition(':')[2].rpartition('@')[2].lower()}-{question.verb}-{question.resource.replace('/', '-') or 'path'}"
    name = word(name)
    space = f" -n {word(question.namespace)}" if question.namespace else ""
    binding = "rolebinding" if space else "clusterrolebinding"
    roles = world.every("Role", question.namespace) if space else []
    enough = [
        one
        for one in (*roles, *world.every("ClusterRole"))
        if _allows(one, question) and not _is_internal(one)
    ]
    enough.sort(key=_breadth)
    if enough and _breadth(enough[0]) < _EVERYTHING:
        role = enough[0]
        commands = [
            f"kubectl create {binding} {name} --{role['kind'].lower()}={meta.name(role)} {subject.flags}{space}"
        ]
    else:
        kind = "role" if space else "clusterrole"
        what = (
            f"--non-resource-url={word(question.path)}"
            if question.path
            else f"--resource={word(_resource(question))}"
        )
        only = (
            f" --resource-name={word(question.name)}"
            if question.name and question.verb not in ("create", "list", "watch")
            else ""
        )
        commands = [
            f"kubectl create {kind} {name} --verb={word(question.verb)} {what}{only}{space}",
            f"kubectl create {binding} {name} --{kind}={name} {subject.flags}{space}",
        ]
    return commands


def _resource(question: Question) -> str:
    plain, _, sub = question.resource.partition("/")
    return f"{plain}{f'.{question.group}' if question.group else ''}{f'/{sub}' if sub else ''}"


_EVERYTHING = 1000


def _breadth(role: Object) -> int:
    """How much a role allows, roughly; one that allows everything is never proposed."""
    total = 0
    for rule in _rules(role):
        if "*" in (rule.get("resources") or ()) and "*" in (rule.get("apiGroups") or ()):
            return _EVERYTHING
        total += len(rule.get("resources") or ()) + len(rule.get("verbs") or ())
    return total


def _is_internal(role: Object) -> bool:
    """`system:node`, and what components brought along for themselves: not meant for others."""
    return ":" in meta.name(role)
