"""`set env`: set, remove and list environment variables of the containers of pods and templates for pods."""

import re
import sys
from typing import Any

from pinnace.cli import changing, dry_run
from pinnace.cli.builder import Selection, fetch, has_files, select
from pinnace.cli.changing import Change, pod_spec, selected_containers
from pinnace.cli.command import Command
from pinnace.cli.env_values import EnvValues, reference_text
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session, warn

Object = dict[str, Any]
_NAME = re.compile("[-._a-zA-Z][-._a-zA-Z0-9]*")
NAME_RULE = (
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not "
    "start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is "
    "'[-._a-zA-Z][-._a-zA-Z0-9]*')"
)


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    resources, specs = _split(arguments)
    _check(flags, resources)
    wanted, removed = _parsed([*flags["env"], *specs])
    if flags["from"]:
        wanted += _imported(session, flags)
    if flags["prefix"]:
        wanted = [{**variable, "name": flags["prefix"] + variable["name"]} for variable in wanted]
    values = EnvValues(session) if flags["resolve"] else None

    def change(one: Selection, obj: Object) -> list[str]:
        containers = selected_containers(pod_spec(one, obj), flags["containers"])
        kind, name = one.resource.kind, one.name
        if not containers:
            warn(f'Warning: {kind}/{name} does not have any containers matching "{flags["containers"]}"')
        for container in containers:
            had = container.get("env") or []
            if not flags["overwrite"]:
                _check_kept(had, wanted)
            new = _updated(had, wanted, removed)
            if new != had:
                container["env"] = new
            if flags["list"]:
                print(f"# {kind} {name}, container {container['name']}")
                _show(new, values, obj, container)
        return []

    if flags["list"]:
        for one, obj in changing.chosen(session, flags, resources):
            change(one, changing.copied(obj))
        return 0
    what = Change(change, "env updated", "failed to patch env update to pod template:")
    return changing.run(session, flags, resources, what)


def _check(flags: Values, resources: list[str]) -> None:
    if flags["all"] and flags["selector"]:
        raise CliError("cannot set --all and --selector at the same time")
    changing.check(flags)
    if not resources and not has_files(flags):
        raise CliError("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    if flags["list"] and flags["output"]:
        raise CliError("--list and --output may not be specified together")
    if flags["keys"] and not flags["from"]:
        raise CliError("when specifying --keys, a configmap or secret must be provided with --from")
    dry_run.mode(flags)


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Resources come first, changes behind them."""
    at = next((i for i, text in enumerate(arguments) if _is_change(text)), len(arguments))
    if not all(map(_is_change, arguments[at:])):
        raise CliError(f"all resources must be specified before environment changes: {' '.join(arguments)}")
    return arguments[:at], arguments[at:]


def _is_change(text: str) -> bool:
    return "=" in text or text.endswith("-")


def _parsed(specs: list[str]) -> tuple[list[Object], list[str]]:
    """Variables to set, and names of those to remove; `-` stands for lines of standard input."""
    wanted: list[Object] = []
    removed = []
    for text in specs:
        name, equals, value = text.partition("=")
        if text == "-":
            lines = (line.rstrip("\r\n").partition("=") for line in sys.stdin)
            wanted += [_variable(name, value) for name, equals, value in lines if equals]
        elif equals:
            if not _NAME.fullmatch(name):
                raise CliError(f'"{name}" is not a valid key name: {NAME_RULE}')
            wanted.append(_variable(name, value))
        elif text.endswith("-"):
            removed.append(text[:-1])
        else:
            raise CliError(f"unknown environment variable: {text}")
    if any(variable["name"] in removed for variable in wanted):
        raise CliError("can not both modify and remove the same environment variable in the same command")
    return wanted, removed


def _variable(name: str, value: str) -> Object:
    return {"name": name, "value": value} if value else {"name": name}


def _imported(session: Session, flags: Values) -> list[Object]:
    """A variable for each key of a config map or secret, which refers to it."""
    found: list[Object] = []
    for one in select(session, [flags["from"]], flags if not has_files(flags) else Values(ENV.flags)):
        reference = {"ConfigMap": "configMapKeyRef", "Secret": "secretKeyRef"}.get(one.resource.kind)
        for obj in fetch(session, one, flags):
            if reference is None:
                raise CliError("unsupported resource specified in --from")
            for key in sorted(obj.get("data") or {}):
                if flags["keys"] and key not in flags["keys"]:
                    continue
                name = re.sub("[^a-zA-Z0-9_]", "_", key).upper()
                if name != key:
                    warn(f"Warning: key {key} transferred to {name}")
                source = {reference: {"name": obj["metadata"]["name"], "key": key}}
                found.append({"name": name, "valueFrom": source})
    return found


def _check_kept(had: list[Object], wanted: list[Object]) -> None:
    now = {variable["name"]: variable.get("value", "") for variable in had}
    for variable in wanted:
        name = variable["name"]
        if name in now and now[name] != variable.get("value", ""):
            raise CliError(f"'{name}' already has a value ({now[name]}), and --overwrite is false")


def _updated(had: list[Object], wanted: list[Object], removed: list[str]) -> list[Object]:
    new = {variable["name"]: variable for variable in wanted}
    kept = [new.pop(v["name"], v) for v in had if v["name"] not in removed]
    return [*kept, *new.values()]


def _show(variables: list[Object], values: EnvValues | None, obj: Object, container: Object) -> None:
    problems: dict[str, list[str]] = {}
    for variable in variables:
        name, source = variable["name"], variable.get("valueFrom")
        if not source:
            print(f"{name}={variable.get('value', '')}")
            continue
        try:
            if values is not None:
                print(f"{name}={values.of(source, obj, container)}")
                continue
        except CliError as error:
            problems.setdefault(str(error), []).append(name)
        print(f"# {name} from {reference_text(source)}")
    for problem, names in sorted(problems.items()):
        warn(f"error retrieving reference for {', '.join(sorted(names))}: {problem}")


ENV = Command(
    run,
    (
        *changing.FLAGS,
        Flag("containers", "c", default="*", help="Names of the containers; wildcards are allowed."),
        Flag("env", "e", kind="repeat", help="NAME=VALUE to set in each container."),
        Flag("from", help="Config map or secret whose keys become variables, e.g. secret/s."),
        Flag("keys", kind="list", help="Which keys --from takes."),
        Flag("list", kind="bool", help="Show the variables."),
        Flag("overwrite", kind="bool", default=True, help="Allow other values for variables that are set."),
        Flag("prefix", help="Goes before the names."),
        Flag("resolve", kind="bool", help="Show what references in the list lead to."),
    ),
    "RESOURCE/NAME KEY_1=VAL_1 ... KEY_N=VAL_N",
    "Update environment variables on a pod template.",
)
