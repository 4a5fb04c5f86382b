"""`auth can-i` and `auth whoami`: questions to the server about one's rights and identity."""

from typing import Any

from pinnace.cli import printers
from pinnace.cli.command import OUTPUT, Command
from pinnace.cli.commands.auth_reconcile import RECONCILE
from pinnace.cli.errors import CliError, PlainError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.printers.columns_text import ColumnWriter
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
REVIEWS = "/apis/authorization.k8s.io/v1"
# what kubectl knows of
VERBS = frozenset(
    ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "use", "bind", "impersonate",
     "*", "approve", "sign", "escalate", "attest")
)  # fmt: skip
URL_VERBS = frozenset(("get", "put", "post", "head", "options", "delete", "patch", "*"))


def can_i(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["list"]:
        if arguments:
            raise CliError("list option must be specified with no arguments")
        if flags["quiet"] or flags["all-namespaces"] or flags["subresource"]:
            raise CliError(
                "list option can't be specified with neither quiet, all-namespaces nor subresource options"
            )
        return _list(session, flags)
    if len(arguments) != 2:
        raise CliError(
            "you must specify two arguments: verb resource or verb resource/resourceName.\n"
            f"See '{session.path} -h' for help and examples."
        )
    verb, what = arguments[0], arguments[1]
    if what.startswith("/"):
        if flags["subresource"]:
            raise CliError("--subresource can not be used with NonResourceURL")
        spec: Object = {"nonResourceAttributes": {"verb": verb, "path": what}}
        is_known = verb in URL_VERBS
    else:
        spec = {"resourceAttributes": attributes(session, flags, verb, what)}
        is_known = verb in VERBS or flags["all-namespaces"]
    if not is_known:
        warn(f"Warning: verb '{verb}' is not a known verb\n")
    if flags["no-headers"]:
        raise CliError("--no-headers cannot be set without --list specified")
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": spec}
    status = session.http.request("POST", f"{REVIEWS}/selfsubjectaccessreviews", None, body)["status"]
    allowed = bool(status.get("allowed"))
    if not flags["quiet"]:
        reason = f" - {status['reason']}" if status.get("reason") and not allowed else ""
        print("yes" if allowed else f"no{reason}")
    if allowed:
        return 0
    raise PlainError("")


def attributes(session: Session, flags: Values, verb: str, what: str, name: str = "") -> Object:
    """Of an access review, from the words of a command line."""
    resource, _, inline = what.partition("/")
    found: Object = {"verb": verb, "name": name or inline, "subresource": flags["subresource"]}
    if resource == "*":
        found.update(resource="*", group="*")
    else:
        try:
            row = session.mapper.find(resource)
        except CliError:
            warn(f"Warning: the server doesn't have a resource type '{resource}'\n")
            found["resource"] = resource
            row = None
        if row is not None:
            found.update(resource=row.name, group=row.group)
            if not row.namespaced and not flags["all-namespaces"]:
                scope = f" in group '{row.group}'" if row.group else ""
                warn(f"Warning: resource '{row.name}' is not namespace scoped{scope}\n")
    if not flags["all-namespaces"]:
        found["namespace"] = session.namespace
    return {key: value for key, value in found.items() if value}


def _list(session: Session, flags: Values) -> int:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": session.namespace},
    }
    status = session.http.request("POST", f"{REVIEWS}/selfsubjectrulesreviews", None, body)["status"]
    if status.get("incomplete"):
        reason = f": {status['evaluationError']}" if status.get("evaluationError") else ""
        warn(f"warning: the list may be incomplete{reason}\n")
    rows = [] if flags["no-headers"] else [["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]]
    from pinnace.cli.describe.rbac import rows_of

    rows += [
        list(cells)
        for cells in rows_of([*(status.get("resourceRules") or ()), *(status.get("nonResourceRules") or ())])
    ]
    ColumnWriter().write(rows)
    return 0


def whoami(session: Session, flags: Values, arguments: list[str]) -> int:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    review = session.http.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", None, body)
    if flags["output"]:
        printers.printer(
            flags, lambda obj: "selfsubjectreview.authentication.k8s.io/", formats=printers.WITHOUT_TABLES
        )(review)
        return 0
    user = review["status"]["userInfo"]
    rows = [["ATTRIBUTE", "VALUE"], ["Username", user.get("username", "")]]
    if user.get("uid"):
        rows.append(["UID", user["uid"]])
    if user.get("groups"):
        rows.append(["Groups", f"[{' '.join(user['groups'])}]"])
    for key, values in sorted((user.get("extra") or {}).items()):
        rows.append([f"Extra: {key}", f"[{' '.join(values)}]"])
    ColumnWriter().write(rows)
    return 0


AUTH = Command(
    None,
    usage="SUBCOMMAND",
    summary="Inspect authorization.",
    subcommands={
        "can-i": Command(
            can_i,
            (
                Flag("all-namespaces", "A", kind="bool", help="In all namespaces."),
                Flag("quiet", "q", kind="bool", help="Only the exit code."),
                Flag("subresource", help="e.g. pod/log or deployment/scale."),
                Flag("list", kind="bool", help="All allowed actions."),
                Flag("no-headers", kind="bool", help="Do not print headers."),
            ),
            "VERB [TYPE | TYPE/NAME | NONRESOURCEURL]",
            "Check whether an action is allowed.",
        ),
        "reconcile": RECONCILE,
        "whoami": Command(whoami, OUTPUT, summary="Show who you are to the server."),
    },
)
