"""`set`: image, resources, service account of what makes pods; selectors of services; subjects of bindings. `set env`: set_env.py."""

from typing import Any

from pinnace.apimachinery import quantity
from pinnace.cli import changing
from pinnace.cli.builder import MIXED, NOTHING_NAMED, Selection, has_files
from pinnace.cli.changing import Change, pod_spec, selected_containers
from pinnace.cli.command import Command
from pinnace.cli.commands.set_env import ENV
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]
RBAC = "rbac.authorization.k8s.io"
BINDINGS = ("RoleBinding", "ClusterRoleBinding")


# --- image


def image(session: Session, flags: Values, arguments: list[str]) -> int:
    names, images = _split_images(arguments)
    problems: list[str] = []
    if not arguments and not has_files(flags):
        raise CliError(NOTHING_NAMED)
    if flags["all"] and flags["selector"]:
        problems.append("cannot set --all and --selector at the same time")
    if any("/" in name for name in names) and not all("/" in name for name in names):
        raise CliError(MIXED.format(program=session.program))
    if not images:
        problems.append("at least one image update is required")
    elif len(images) > 1 and "*" in images:
        problems.append(
            "all containers are already specified by *, but saw more than one container_name=container_image pairs"
        )
    if problems:
        raise CliError(problems[0] if len(problems) == 1 else f"[{', '.join(problems)}]")

    def change(one: Selection, obj: Object) -> list[str]:
        spec, missing = pod_spec(one, obj), []
        for name, wanted in images.items():
            found = [
                c for part in ("initContainers", "containers") for c in spec.get(part) or ()
                if name in ("*", c["name"])
            ]  # fmt: skip
            for container in found:
                container["image"] = wanted
            if not found:
                missing.append(f'unable to find container named "{name}"')
        return missing

    what = Change(change, "image updated", "failed to patch image update to pod template:")
    return changing.run(session, flags, names, what)


def _split_images(arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    names: list[str] = []
    images: dict[str, str] = {}
    wrong = []
    for text in arguments:
        name, equals, wanted = text.partition("=")
        if equals and name:
            images[name] = wanted
        elif text.endswith("-") and text != "-":
            wrong.append(text)
        elif images or wrong:
            raise CliError(f"all resources must be specified before image changes: {text}")
        else:
            names.append(text)
    if wrong:
        raise CliError(f"invalid image format: {', '.join(wrong)}")
    return names, images


# --- resources


def resources(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["all"] and flags["selector"]:
        raise CliError("cannot set --all and --selector at the same time")
    if not flags["limits"] and not flags["requests"]:
        raise CliError(
            "you must specify an update to requests or limits (in the form of --requests/--limits)"
        )
    amounts = {part: _amounts(flags[part]) for part in ("limits", "requests") if flags[part]}

    def change(one: Selection, obj: Object) -> list[str]:
        containers = selected_containers(pod_spec(one, obj), flags["containers"])
        for container in containers:
            for part, wanted in amounts.items():
                had = container.setdefault("resources", {}).get(part) or {}
                container["resources"][part] = {**had, **wanted}
        return [] if containers else [f"unable to find container named {flags['containers']}"]

    what = Change(change, "resource requirements updated", "failed to patch resources update to pod template")
    return changing.run(session, flags, arguments, what)


def _amounts(text: str) -> Object:
    amounts = {}
    for part in text.split(","):
        words = part.split("=")
        if len(words) != 2:
            raise CliError(f"Invalid argument syntax {part}, expected <resource>=<value>")
        try:
            amounts[words[0]] = quantity.canonical(words[1])
        except ValueError as error:
            raise CliError(str(error)) from error
    return amounts


# --- service account


def service_account(session: Session, flags: Values, arguments: list[str]) -> int:
    if not arguments:
        raise CliError("serviceaccount is required")
    *names, account = arguments

    def change(one: Selection, obj: Object) -> list[str]:
        pod_spec(one, obj)["serviceAccountName"] = account
        return []

    what = Change(change, "serviceaccount updated", "failed to patch ServiceAccountName", says_unchanged=True)
    return changing.run(session, flags, names, what)


# --- selector


def selector(session: Session, flags: Values, arguments: list[str]) -> int:
    if not arguments:
        raise CliError("one selector is required")
    *names, text = arguments
    changing.check(flags)
    found = list(changing.chosen(session, flags, names))
    wanted = _labels(text)
    for one, before in found:
        if one.resource.qualified != "services":
            raise CliError("setting a selector is only supported for Services")
        after = {**before, "spec": {**before["spec"], "selector": wanted}}
        if flags["resource-version"]:
            after["metadata"] = {**before["metadata"], "resourceVersion": flags["resource-version"]}
        changing.send(session, flags, one, (before, after), "selector updated")
    return 0


def _labels(text: str) -> Object:
    from pinnace.api.selector_text import parse
    from pinnace.apimachinery.selectors import SelectorError

    try:
        requirements = parse(text).requirements
    except SelectorError as error:
        raise CliError(str(error)) from error
    if "!=" in text:
        raise CliError('"!=" is not a valid label selector operator')
    if "(" in text or any(one.operator != "In" for one in requirements):
        shown = " ".join(f"{{{r.key} {r.operator} [{' '.join(sorted(r.values))}]}}" for r in requirements)
        raise CliError(f"match expression [{shown}] not supported on this object")
    return {one.key: value for one in requirements for value in one.values}


# --- subject


def subject(session: Session, flags: Values, arguments: list[str]) -> int:
    wanted = _subjects(session, flags) if arguments or has_files(flags) else []
    if flags["all"] and flags["selector"]:
        raise CliError("cannot set --all and --selector at the same time")

    def change(one: Selection, obj: Object) -> list[str]:
        if one.resource.group != RBAC or one.resource.kind not in BINDINGS:
            raise CliError("setting subjects is only supported for RoleBinding/ClusterRoleBinding")
        had = obj.get("subjects") or []
        new = [one for one in wanted if one not in had]
        if new:
            obj["subjects"] = [*had, *new]
        return []

    what = Change(change, "subjects updated", "failed to patch subjects to rolebinding:")
    return changing.run(session, flags, arguments, what)


def _subjects(session: Session, flags: Values) -> list[Object]:
    kinds = (("User", flags["subject-users"]), ("Group", flags["group"]))
    found: list[Object] = [
        {"apiGroup": RBAC, "kind": kind, "name": name} for kind, names in kinds for name in names
    ]
    for text in flags["serviceaccount"]:
        words = text.split(":")
        if len(words) != 2:
            raise CliError("serviceaccount must be <namespace>:<name>")
        found.append({"kind": "ServiceAccount", "namespace": words[0] or session.namespace, "name": words[1]})
    if not found:
        raise CliError("you must specify at least one value of user, group or serviceaccount")
    return found


_TARGET = "(-f FILENAME | TYPE NAME)"
_WITHOUT_SELECTOR = tuple(flag for flag in changing.FLAGS if flag.name != "selector")
_SERVICE_ACCOUNT = Command(
    service_account,
    _WITHOUT_SELECTOR,
    f"{_TARGET} SERVICE_ACCOUNT",
    "Update the service account of a resource.",
)
SET = Command(
    None,
    usage="SUBCOMMAND",
    summary="Configure application resources.",
    subcommands={
        "env": ENV,
        "image": Command(
            image, changing.FLAGS, f"{_TARGET} CONTAINER_NAME_1=CONTAINER_IMAGE_1 ... CONTAINER_NAME_N=CONTAINER_IMAGE_N",
            "Update the image of a pod template.",
        ),
        "resources": Command(
            resources,
            (
                *changing.FLAGS,
                Flag("containers", "c", default="*", help="Names of the containers; wildcards are allowed."),
                Flag("limits", help="Limits, e.g. cpu=200m,memory=512Mi."),
                Flag("requests", help="Requests, e.g. cpu=100m,memory=256Mi."),
            ),
            f"{_TARGET} [--limits=LIMITS & --requests=REQUESTS]",
            "Update resource requests/limits on objects with pod templates.",
        ),
        "selector": Command(
            selector,
            (*(flag for flag in _WITHOUT_SELECTOR if flag.name != "kustomize"), Flag("resource-version", help="Only when the object has this version.")),
            f"{_TARGET} EXPRESSIONS [--resource-version=version]", "Set the selector on a resource.",
        ),
        "serviceaccount": _SERVICE_ACCOUNT,
        "sa": _SERVICE_ACCOUNT,
        "subject": Command(
            subject,
            (
                *changing.FLAGS,
                Flag("user", kind="repeat", key="subject-users", help="Usernames to bind to the role."),
                Flag("group", kind="repeat", help="Groups to bind to the role."),
                Flag("serviceaccount", kind="repeat", help="Service accounts to bind to the role: NAMESPACE:NAME."),
            ),
            f"{_TARGET} [--user=username] [--group=groupname] [--serviceaccount=namespace:serviceaccountname]",
            "Update the user, group, or service account in a role binding or cluster role binding.",
        ),
    },
)  # fmt: skip
