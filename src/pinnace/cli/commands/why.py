"""`why`: what keeps an object, or anything in the cluster, from working; who may do what; whether a connection is let through.

The rules are in `pinnace.insight`, reached by name, since parts never import each other. This module asks the cluster for them.
Exit codes: 0 nothing is wrong, 2 something was found, 3 nothing was found and not all could be looked at, 1 the question could not be answered.
"""

import sys
from importlib import import_module
from typing import Any

from pinnace.cli import clock
from pinnace.cli.builder import has_files, resolve
from pinnace.cli.cluster_reader import ClusterReader
from pinnace.cli.command import FILES, SELECTION, Command
from pinnace.cli.errors import CliError, ServerError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.harmless import shown
from pinnace.cli.session import Session

FOUND, PARTIAL = 2, 3
Object = dict[str, Any]


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["output"] not in ("", "json"):
        raise CliError(
            f'unable to match a printer suitable for the output format "{flags["output"]}", allowed formats are: json'
        )
    insight = import_module("pinnace.insight.why")
    if arguments[:1] == ["can-i"]:
        answer = _right(session, flags, arguments[1:], insight)
    elif arguments or has_files(flags):
        objects = [obj for _, obj in resolve(session, arguments, flags)]
        if not objects:
            raise CliError(f"no resources found in {session.namespace} namespace")
        answer = insight.about_objects(
            objects, ClusterReader(session.http, is_slim=True), clock.now(), ServerError,
            is_json=flags["output"] == "json", source=_source(session, flags, objects), port=flags["port"],
        )  # fmt: skip
    elif flags["from"] or flags["port"]:
        raise CliError("--from and --port need the pod or the service that is connected to")
    else:
        answer = _everything(session, flags, insight)
    sys.stdout.write(shown(answer.text))
    if answer.is_blind:
        if not flags["output"] and not arguments and not session.namespace_is_given:
            sys.stdout.write("With -n NAMESPACE only that namespace is read.\n")
        return 1
    if answer.is_found:
        return FOUND
    return PARTIAL if answer.is_partial else 0


def _everything(session: Session, flags: Values, insight: Any) -> Any:
    namespace = session.namespace if session.namespace_is_given and not flags["all-namespaces"] else ""
    if not session.http.get("/version"):
        raise CliError("the server does not say which version it has")
    reader = ClusterReader(session.http, is_slim=True)
    return insight.about_everything(
        namespace, reader, clock.now(), ServerError, is_json=flags["output"] == "json"
    )


def _source(session: Session, flags: Values, objects: list[Object]) -> Object | None:
    """The pod of `--from pod/NAME`; of `--from namespace/NAME` one without labels, which nobody has made an exception for."""
    kind, _, name = flags["from"].partition("/")
    if not flags["from"]:
        if flags["port"]:
            raise CliError("--port needs --from, the pod that connects")
        return None
    if len(objects) != 1 or objects[0]["kind"] not in ("Pod", "Service"):
        raise CliError("--from needs one pod or service that is connected to")
    if kind in ("pod", "pods", "po") and name:
        namespace = flags["from-namespace"] or session.namespace
        found: Object = session.http.get(f"/api/v1/namespaces/{namespace}/pods/{name}")
        return found
    if kind in ("namespace", "namespaces", "ns") and name:
        return {"kind": "Pod", "metadata": {"name": "any", "namespace": name}, "spec": {"containers": []}}
    raise CliError(f"--from is pod/NAME or namespace/NAME, not {flags['from']}")


def _right(session: Session, flags: Values, arguments: list[str], insight: Any) -> Any:
    """`can-i VERB TYPE[/NAME]`: the server judges with the rights of `--as`; roles are read with one's own."""
    rights = import_module("pinnace.insight.rights")
    if len(arguments) not in (2, 3):
        raise CliError("you must specify a verb and a resource: why can-i VERB TYPE[/NAME] [--as USER]")
    verb, what = arguments[0], arguments[1]
    with Session(_without_impersonation(flags), session.path) as own:
        if what.startswith("/"):
            asked = {"nonResourceAttributes": {"verb": verb, "path": what}}
            question = rights.Question(verb, path=what)
        else:
            from pinnace.cli.commands.auth import attributes

            own.mapper.find(what.partition("/")[0])  # a type that is not there is no question of rights
            found = attributes(own, flags, verb, what, arguments[2] if len(arguments) == 3 else "")
            asked = {"resourceAttributes": found}
            sub = f"/{found['subresource']}" if found.get("subresource") else ""
            question = rights.Question(
                verb, found["resource"] + sub, found.get("group", ""), found.get("name", ""), found.get("namespace", "")
            )  # fmt: skip
        status = _review(session, "authorization.k8s.io", "SelfSubjectAccessReview", asked)
        user = _review(session, "authentication.k8s.io", "SelfSubjectReview", None).get("userInfo") or {}
        subject = rights.Subject(user.get("username", ""), tuple(user.get("groups") or ()))
        verdict = bool(status.get("allowed")), status.get("reason") or status.get("evaluationError") or ""
        return insight.about_right(
            question, subject, verdict, ClusterReader(own.http, is_slim=True), clock.now(), ServerError, is_json=flags["output"] == "json"
        )  # fmt: skip


def _review(session: Session, group: str, kind: str, spec: Object | None) -> Object:
    body = {"apiVersion": f"{group}/v1", "kind": kind, **({"spec": spec} if spec is not None else {})}
    found: Object = session.http.request("POST", f"/apis/{group}/v1/{kind.lower()}s", None, body)["status"]
    return found


def _without_impersonation(flags: Values) -> Values:
    own = Values(())
    own.update(flags)
    own.update({"as": "", "as-group": [], "as-uid": ""})
    return own


WHY = Command(
    run,
    (
        *FILES, *SELECTION, Flag("output", "o", help="json, for programs."),
        Flag("from", help="pod/NAME or namespace/NAME that connects: do network policies let it?"),
        Flag("from-namespace", help="The namespace of the pod of --from, when it is another one."),
        Flag("port", help="With --from: the port of the pod or service; default all."),
        Flag("subresource", help="With can-i: the subresource, e.g. log."),
    ),
    "[TYPE NAME | TYPE/NAME | TYPE -l label | -f FILENAME | can-i VERB TYPE[/NAME]]",
    "Say what keeps an object from working, or, without arguments, what does not work in the cluster (or in -n NAMESPACE).",
)  # fmt: skip
