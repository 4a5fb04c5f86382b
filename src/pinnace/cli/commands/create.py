"""`create`: from files, and the subcommands that write a manifest from flags."""

from collections.abc import Callable, Iterable
from typing import Any

from pinnace.cli import dry_run, printers, raw
from pinnace.cli.builder import Selection, from_files_with_errors, has_files, of_manifest, raise_all
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, FILES, OUTPUT, SELECTOR, Command, Run
from pinnace.cli.commands import create_access as access
from pinnace.cli.commands import create_generators as generators
from pinnace.cli.commands import create_ingress, create_jobs, create_policies
from pinnace.cli.errors import CliError, FileError, PlainError, ServerError, is_invalid, told
from pinnace.cli.flags import Flag, Values
from pinnace.cli.mapper import Resource
from pinnace.cli.session import Session

Object = dict[str, Any]
MANAGER = "kubectl-create"
VALIDATE = Flag(
    "validate", default="strict", bare="strict", help='"strict" (or true), "warn", or "ignore" (or false).'
)
CHANGE = (DRY_RUN, FIELD_MANAGER, *OUTPUT)
WRITE = (*CHANGE, VALIDATE)
SAVE = Flag("save-config", kind="bool", help="Keep the configuration in the annotation that apply uses.")
VALIDATION = {"true": "Strict", "strict": "Strict", "warn": "Warn", "ignore": "Ignore", "false": "Ignore"}


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    if flags["raw"] and has_files(flags):
        if flags["edit"]:
            raise CliError("--raw and --edit are mutually exclusive")
        raw.check(flags)
        return raw.send(session, flags, "POST")
    if not has_files(flags):
        if arguments:
            raise PlainError(
                f"error: Unexpected args: [{' '.join(arguments)}]\nSee '{session.path} -h' for help and examples"
            )
        raise CliError("must specify one of -f and -k")
    validation(flags)
    if flags["edit"]:
        from pinnace.cli.commands.create_edited import run as run_edited

        return run_edited(session, flags, arguments)
    errors: list[CliError] = []
    unread: list[CliError] = []
    found = False
    for one in from_files_with_errors(session, flags, unread):
        found = True
        try:
            create_one(session, flags, one)
        except ServerError as error:
            errors.append(FileError(error, f'error when creating "{one.source}"'))
    raise_all([*errors, *unread])
    if not found:
        raise CliError("no objects passed to create")
    return 0


def create_one(session: Session, flags: Values, one: Selection, *, done: str = "created") -> Object:
    """Create it, and print what was asked for."""
    assert one.manifest is not None
    body = one.manifest
    if flags.get("save-config"):
        from pinnace.cli.last_applied import with_annotation

        body = with_annotation(body)
    if dry_run.mode(flags) == "client":
        made = body
    else:
        query = {**dry_run.query(flags, MANAGER), **validation(flags)}
        made = session.http.request("POST", one.resource.path(one.namespace), query, body)
    one = one._replace(name=made["metadata"].get("name", one.name))
    printers.printer(flags, lambda obj: one.shown, f"{done}{dry_run.suffix(flags)}")(made)
    return made


def validation(flags: Values) -> dict[str, str]:
    chosen = str(flags.get("validate", "strict")).lower()
    if chosen not in VALIDATION:
        raise CliError(
            f'invalid - validate option "{flags["validate"]}"; must be one of: strict (or true), warn, ignore (or false)'
        )
    return {"fieldValidation": VALIDATION[chosen]}


_ALWAYS = (
    "CronJob",
    "Job",
    "PodDisruptionBudget",
    "PriorityClass",
    "ResourceQuota",
    "Service",
)  # the words are said even of what is invalid
_FAILED = {
    "ConfigMap": "configmap:",
    "CronJob": "cronjob:",
    "Deployment": "deployment:",
    "Job": "job:",
    "PodDisruptionBudget": "poddisruptionbudgets:",
    "PriorityClass": "priorityclass:",
    "Secret": "secret",
    "ServiceAccount": "serviceaccount:",
    "RoleBinding": "rolebinding:",
    "ClusterRoleBinding": "clusterrolebinding:",
    "ResourceQuota": "quota:",
    "Ingress": "ingress:",
}


def from_flags(make: "generators.Generator") -> Run:
    """The run function of a subcommand whose manifest comes from its flags."""

    return from_session(lambda _, flags, arguments: make(flags, arguments))


def from_session(make: Callable[[Session, Values, list[str]], Iterable[Object]]) -> Run:
    """The same for one that also asks the server."""

    def run_generator(session: Session, flags: Values, arguments: list[str]) -> int:
        try:
            manifests = list(make(session, flags, arguments))
        except generators.WrongName as error:
            raise CliError(f"{error}\nSee '{session.path} -h' for help and examples") from error
        for manifest in manifests:
            try:
                create_one(session, flags, generated(session, flags, manifest))
            except CliError as error:
                if not isinstance(error, ServerError) and str(error).startswith("Invalid dry-run value"):
                    raise
                words = _FAILED.get(manifest["kind"])
                if manifest["kind"] == "Service" and "app" in (manifest["spec"].get("selector") or ()):
                    words = f"{manifest['spec']['type']} service:"
                if words is None or (is_invalid(error) and manifest["kind"] not in _ALWAYS):
                    raise
                raise CliError(f"failed to create {words} {told(error)}") from error
        return 0

    return run_generator


def generated(session: Session, flags: Values, manifest: Object) -> Selection:
    """A manifest that was made from flags; shown without a namespace that the user did not name."""
    one = _of_known_kind(session, manifest) or of_manifest(session, manifest, "command line")
    if dry_run.mode(flags) == "client" and not session.namespace_is_given:
        manifest["metadata"].pop("namespace", None)
    return one


# what `create` makes, so that the server need not be asked what it is: kind -> plural; the first ones are in no namespace
_KNOWN = {"Namespace": "namespaces", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings",
          "PriorityClass": "priorityclasses", "ConfigMap": "configmaps", "Secret": "secrets", "Service": "services",
          "ServiceAccount": "serviceaccounts", "Deployment": "deployments", "Job": "jobs", "CronJob": "cronjobs",
          "Ingress": "ingresses", "Role": "roles", "RoleBinding": "rolebindings", "ResourceQuota": "resourcequotas",
          "PodDisruptionBudget": "poddisruptionbudgets"}  # fmt: skip
_CLUSTER_SCOPED = ("Namespace", "ClusterRole", "ClusterRoleBinding", "PriorityClass")


def _of_known_kind(session: Session, manifest: Object) -> Selection | None:
    kind, metadata = manifest["kind"], manifest["metadata"]
    if kind not in _KNOWN:
        return None
    group, _, version = manifest["apiVersion"].rpartition("/")
    is_namespaced = kind not in _CLUSTER_SCOPED
    if is_namespaced:
        metadata.setdefault("namespace", session.namespace)
    row = Resource(group, version, _KNOWN[kind], kind, is_namespaced, kind.lower(), [], [], [])
    return Selection(
        row, metadata.get("name", ""), metadata.get("namespace", "") if is_namespaced else "", manifest
    )


def _subcommand(make: "generators.Generator", flags: tuple[Flag, ...], usage: str, summary: str) -> Command:
    return Command(from_flags(make), (*flags, *WRITE, SAVE), usage, summary)


def _from_server(
    make: Callable[[Session, Values, list[str]], Iterable[Object]],
    flags: tuple[Flag, ...],
    usage: str,
    summary: str,
) -> Command:
    return Command(from_session(make), (*flags, *WRITE, SAVE), usage, summary)


HASH = Flag("append-hash", kind="bool", help="Append a hash of the content to the name.")
FROM = (
    HASH,
    Flag("from-literal", kind="repeat", help="key=value."),
    Flag("from-file", kind="repeat", help="[key=]file, or a directory."),
    Flag("from-env-file", kind="repeat", help="A file of key=value lines."),
)
_SECRETS = {
    "generic": _subcommand(
        generators.generic_secret, (*FROM, Flag("type", help="The type of the secret.")), "NAME [--from-literal=k=v]",
        "Create a secret from a local file, directory, or literal value.",
    ),
    "tls": _subcommand(
        generators.tls_secret, (HASH, Flag("cert", help="Path to PEM certificate."), Flag("key", help="Path to PEM key.")),
        "NAME --cert=FILE --key=FILE", "Create a TLS secret.",
    ),
    "docker-registry": _subcommand(
        generators.docker_registry_secret,
        (
            HASH, Flag("from-file", kind="repeat", help="[.dockerconfigjson=]file."),
            Flag("docker-server", default="https://index.docker.io/v1/", help="Registry."),
            Flag("docker-username"), Flag("docker-password"), Flag("docker-email"),
        ),
        "NAME --docker-username=U --docker-password=P", "Create a secret for use with a registry.",
    ),
}  # fmt: skip
_RULE = (
    Flag("verb", kind="list", help="Verbs that the rule allows."),
    Flag("resource", kind="list", help="Resources that the rule applies to."),
    Flag("resource-name", kind="repeat", help="Names of resources that the rule is limited to."),
)
_SUBJECTS = (
    Flag("user", kind="repeat", key="subject-users", help="Users to bind to the role."),
    Flag("group", kind="repeat", help="Groups to bind to the role."),
    Flag("serviceaccount", kind="repeat", help="Service accounts to bind to the role: NAMESPACE:NAME."),
)
_TCP = Flag("tcp", kind="list", help="port[:targetPort] pairs.")
_SERVICES = {
    "clusterip": _subcommand(
        generators.service("ClusterIP"), (_TCP, Flag("clusterip", help='An address, or "None" for headless.')),
        "NAME [--tcp=port:targetPort]", "Create a ClusterIP service.",
    ),
    "nodeport": _subcommand(
        generators.service("NodePort"), (_TCP, Flag("node-port", kind="int")), "NAME [--tcp=port:targetPort]",
        "Create a NodePort service.",
    ),
    "loadbalancer": _subcommand(
        generators.service("LoadBalancer"), (_TCP,), "NAME [--tcp=port:targetPort]", "Create a LoadBalancer service."
    ),
    "externalname": _subcommand(
        generators.service("ExternalName"), (_TCP, Flag("external-name", help="The name it stands for.")),
        "NAME --external-name=NAME", "Create an ExternalName service.",
    ),
}  # fmt: skip

CREATE = Command(
    run,
    (
        *FILES, *WRITE, SAVE, SELECTOR, raw.FLAG,
        Flag("edit", kind="bool", help="Edit the objects before they are created."),
        Flag("windows-line-endings", kind="bool", help="With --edit: the file in the editor has CR LF line ends."),
    ),
    "-f FILENAME",
    "Create a resource from a file or from stdin.",
    {
        "configmap": _subcommand(
            generators.config_map, FROM, "NAME [--from-literal=k=v]", "Create a config map from a file, directory or literal."
        ),
        "clusterrole": _from_server(
            access.cluster_role,
            (
                *_RULE, Flag("non-resource-url", kind="list", help="Partial URLs that the rule applies to."),
                Flag("aggregation-rule", kind="list", help="Labels of the cluster roles whose rules are combined."),
            ),
            "NAME --verb=verb --resource=resource.group", "Create a cluster role.",
        ),
        "clusterrolebinding": _subcommand(
            access.cluster_role_binding, (Flag("clusterrole", help="The cluster role to refer to."), *_SUBJECTS),
            "NAME --clusterrole=NAME [--user=username]", "Create a cluster role binding for a particular cluster role.",
        ),
        "cronjob": _subcommand(
            create_jobs.cron_job,
            (
                Flag("image", help="Image name to run."),
                Flag("schedule", help="A schedule in the Cron format the job should be run with."),
                Flag("restart", help="job's restart policy. supported values: OnFailure, Never."),
            ),
            "NAME --image=image --schedule='0/5 * * * ?' -- [COMMAND] [args...]",
            "Create a cron job with the specified name.",
        ),
        "deployment": _subcommand(
            generators.deployment,
            (
                Flag("image", kind="repeat", help="Image name to run; may be repeated."),
                Flag("replicas", "r", kind="int", default=1),
                Flag("port", kind="int", default=-1, help="The containerPort to expose."),
            ),
            "NAME --image=image -- [COMMAND] [args...]",
            "Create a deployment with the specified name.",
        ),
        "ingress": _subcommand(
            create_ingress.ingress,
            (
                Flag("class", help="The ingress class to be used."),
                Flag("rule", kind="repeat", help="host/path=service:port[,tls[=secret]]."),
                Flag("default-backend", help="service:port for what no rule matches."),
                Flag("annotation", kind="repeat", help="key=value."),
            ),
            "NAME --rule=host/path=service:port[,tls[=secret]]", "Create an ingress with the specified name.",
        ),
        "job": _from_server(
            create_jobs.job,
            (
                Flag("image", help="Image name to run."),
                Flag("from", help="The name of the resource to create a Job from (only cronjob is supported)."),
            ),
            "NAME --image=image [--from=cronjob/name] -- [COMMAND] [args...]",
            "Create a job with the specified name.",
        ),
        "namespace": _subcommand(generators.namespace, (), "NAME", "Create a namespace."),
        "poddisruptionbudget": _subcommand(
            create_policies.disruption_budget,
            (
                Flag("min-available", help="The minimum number or percentage of available pods this budget requires."),
                Flag("max-unavailable", help="The maximum number or percentage of unavailable pods this budget requires."),
                Flag("selector", help="A label selector to use for this budget."),
            ),
            "NAME --selector=SELECTOR --min-available=N",
            "Create a pod disruption budget with the specified name.",
        ),
        "priorityclass": _subcommand(
            create_policies.priority_class,
            (
                Flag("value", kind="int", help="The value of this priority class."),
                Flag("global-default", kind="bool", help="Whether this is the priority of pods that name none."),
                Flag("description", help="When this priority class should be used."),
                Flag("preemption-policy", default="PreemptLowerPriority", help="PreemptLowerPriority or Never."),
            ),
            "NAME --value=VALUE --global-default=BOOL",
            "Create a priority class with the specified name.",
        ),
        "quota": _subcommand(
            create_ingress.quota,
            (
                Flag("hard", help="resource=quantity,... that may be used at most."),
                Flag("scopes", help="Scopes that an object must be in for the quota to count it."),
            ),
            "NAME [--hard=key1=value1,key2=value2] [--scopes=Scope1,Scope2]", "Create a quota with the specified name.",
        ),
        "role": _from_server(
            access.role, _RULE, "NAME --verb=verb --resource=resource.group/subresource", "Create a role with single rule.",
        ),
        "rolebinding": _subcommand(
            access.role_binding,
            (
                Flag("role", help="The role to refer to."), Flag("clusterrole", help="The cluster role to refer to."), *_SUBJECTS,
            ),
            "NAME --clusterrole=NAME|--role=NAME [--user=username]", "Create a role binding for a particular role.",
        ),
        "token": Command(
            access.token,
            (
                *OUTPUT,
                Flag("audience", kind="list", help="Audiences of the token."),
                Flag("duration", kind="duration", help="How long the token shall live; the server may choose otherwise."),
                Flag("bound-object-kind", help="Node, Pod or Secret: what the token ends with."),
                Flag("bound-object-name", help="The name of what the token is bound to."),
                Flag("bound-object-uid", help="The uid of what the token is bound to."),
            ),
            "SERVICE_ACCOUNT_NAME", "Request a service account token.",
        ),
        "serviceaccount": _subcommand(generators.service_account, (), "NAME", "Create a service account."),
        "secret": Command(None, usage="(docker-registry | generic | tls)", summary="Create a secret.", subcommands=_SECRETS),
        "service": Command(
            None, usage="(clusterip | externalname | loadbalancer | nodeport)", summary="Create a service.", subcommands=_SERVICES
        ),
    },
)  # fmt: skip
CREATE.subcommands.update(
    cj=CREATE.subcommands["cronjob"],
    cm=CREATE.subcommands["configmap"],
    deploy=CREATE.subcommands["deployment"],
    ns=CREATE.subcommands["namespace"],
    pc=CREATE.subcommands["priorityclass"],
    pdb=CREATE.subcommands["poddisruptionbudget"],
    sa=CREATE.subcommands["serviceaccount"],
    svc=CREATE.subcommands["service"],
)
