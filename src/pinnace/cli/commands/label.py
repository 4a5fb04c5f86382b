"""`label` and `annotate`: set and remove keys of metadata."""

from collections.abc import Iterator
from typing import Any

from pinnace.cli import dry_run, printers
from pinnace.cli.builder import Selection, from_files_alone, has_files, resolve
from pinnace.cli.command import DRY_RUN, FIELD_MANAGER, FILES, OUTPUT, SELECTION, Command, Run
from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values
from pinnace.cli.session import Session

Object = dict[str, Any]
MERGE = "application/merge-patch+json"


def _changing(field: str, word: str) -> Run:
    """`field` is labels or annotations, `word` what was done: labeled or annotated."""

    def run(session: Session, flags: Values, arguments: list[str]) -> int:
        resources, changes = _apart(arguments, field)
        wanted, removed = _labels(changes) if field == "labels" else _annotations(changes)
        _check_flags(flags, resources, field)
        if not changes and not flags["list"]:
            raise CliError(f"at least one {field.removesuffix('s')} update is required")
        shown = ""
        write = printers.printer(flags, lambda _: shown)  # one for all annotated objects, as kubectl has it
        for one, obj in _chosen(session, resources, flags):
            shown = one.shown
            now = obj["metadata"].get(field) or {}
            _check(now, wanted, flags, field)
            patch = {key: value for key, value in wanted.items() if now.get(key) != value}
            gone = {key: None for key in removed if key in now}
            if flags["list"]:
                _show(
                    one,
                    _changed(obj, field, patch, gone)["metadata"][field],
                    field,
                    several=_are_several(resources, flags),
                )
                continue
            is_here = flags["local"] or dry_run.mode(flags) == "client"
            for key in removed:
                if key not in now and field == "labels" and not is_here:
                    print(f'label "{key}" not found.')
            done = (
                "unlabeled"
                if field == "labels" and gone and not patch
                else word
                if patch or gone
                else f"not {word}"
            )
            new = obj
            if is_here:
                new = _changed(obj, field, patch, gone) if patch or gone else obj
            elif patch or gone:
                body: Object = {"metadata": {field: {**patch, **gone}}}
                if flags["resource-version"]:
                    body["metadata"]["resourceVersion"] = flags["resource-version"]
                query = dry_run.query(flags, f"kubectl-{session.path.split()[-1]}")
                new = session.http.request("PATCH", one.path, query, body, content_type=MERGE)
            if field == "annotations":
                done = word
                if flags["output"] or flags["template"]:
                    write(new)
                    continue
            printers.printer(flags, lambda _, one=one: one.shown, f"{done}{dry_run.suffix(flags)}")(new)  # type: ignore[misc]
        return 0

    return run


def _check_flags(flags: Values, resources: list[str], field: str) -> None:
    for other in ("selector", "field-selector"):
        if flags["all"] and flags[other]:
            raise CliError(f"cannot set --all and --{other} at the same time")
    if flags["local"]:
        if dry_run.mode(flags) == "server":
            raise CliError("cannot specify --local and --dry-run=server - did you mean --dry-run=client?")
        if resources or not has_files(flags):
            name = "pod" if field == "labels" else "rsrc"
            raise CliError(
                f"can only use local files by -f {name}.yaml or --filename={name}.json when --local=true is set"
            )
    elif not resources and not has_files(flags):
        raise CliError("one or more resources must be specified as <resource> <name> or <resource>/<name>")
    for other in ("selector", "field-selector"):
        if flags["all"] and flags[other]:
            raise CliError(f"cannot set --all and --{other} at the same time")
    if flags["resource-version"] and (flags["all"] or flags["selector"]):
        raise CliError("--resource-version may only be used with a single resource")


def _chosen(session: Session, resources: list[str], flags: Values) -> Iterator[tuple[Selection, Object]]:
    """The objects, from the server or, with --local, as the files have them."""
    if flags["local"]:
        yield from ((one, one.manifest or {}) for one in from_files_alone(flags))
        return
    found = resolve(session, resources, flags)
    if not flags["resource-version"]:
        yield from found
        return
    pairs = list(found)
    if len(pairs) > 1:
        raise CliError("--resource-version may only be used with a single resource")
    yield from pairs


def _changed(obj: Object, field: str, patch: Object, gone: Object) -> Object:
    pairs = {**(obj["metadata"].get(field) or {}), **patch}
    kept = {key: value for key, value in pairs.items() if key not in gone}
    return {**obj, "metadata": {**obj["metadata"], field: kept}}


def _apart(arguments: list[str], field: str) -> tuple[list[str], list[str]]:
    """(resources, changes)."""
    resources: list[str] = []
    changes: list[str] = []
    for text in arguments:
        if ("=" in text and text[0] != "=") or (text.endswith("-") and text != "-"):
            changes.append(text)
        elif changes:
            word = field.removesuffix("s")
            raise CliError(f"all resources must be specified before {word} changes: {text}")
        else:
            resources.append(text)
    return resources, changes


def _labels(changes: list[str]) -> tuple[dict[str, str], list[str]]:
    from pinnace.api.names import label_value

    wanted, removed = {}, []
    for text in changes:
        if "=" not in text:
            removed.append(text[:-1])
            continue
        if text.count("=") != 1:
            raise CliError(f"invalid label spec: {text}")
        key, _, value = text.partition("=")
        if problems := label_value(value):
            raise CliError(f'invalid label value: "{text}": {";".join(problems)}')
        wanted[key] = value
    if any(key in wanted for key in removed):
        raise CliError("can not both modify and remove a label in the same command")
    return wanted, removed


def _annotations(changes: list[str]) -> tuple[dict[str, str], list[str]]:
    wanted = dict(text.split("=", 1) for text in changes if "=" in text)
    removed = [text[:-1] for text in changes if "=" not in text]
    both = [key for key in removed if key in wanted]
    if both:
        raise CliError(
            f"can not both modify and remove the following annotation(s) in the same command: {', '.join(both)}"
        )
    return wanted, removed


def _check(now: Object, wanted: dict[str, str], flags: Values, field: str) -> None:
    if flags["overwrite"]:
        return
    for key, value in wanted.items():
        if key in now and now[key] != value:
            if field == "labels":
                raise CliError(f"'{key}' already has a value ({now[key]}), and --overwrite is false")
            raise CliError(
                f"--overwrite is false but found the following declared annotation(s): '{key}' already has a value ({now[key]})"
            )


def _are_several(resources: list[str], flags: Values) -> bool:
    """Whether the objects are named in the list: all but a single named one, or a single file."""
    if has_files(flags):
        return len(flags["filename"]) != 1
    if resources and "/" in resources[0]:
        return len(resources) > 1
    return len(resources) != 2 or "," in resources[0]


def _show(one: Selection, pairs: Object, field: str, *, several: bool) -> None:
    if several:
        print(f"Listing {field} for {one.resource.kind}.{one.resource.group}/{one.name}:")
    for key in sorted(pairs):
        print(f" {key}={pairs[key]}" if several else f"{key}={pairs[key]}")


_FLAGS = (
    *FILES,
    *SELECTION,
    *OUTPUT,
    DRY_RUN,
    FIELD_MANAGER,
    Flag("all", kind="bool", help="All resources of the type in the namespace."),
    Flag("list", kind="bool", help="Show instead of changing."),
    Flag("local", kind="bool", help="Change the objects of files without asking the server."),
    Flag("resource-version", help="Change the object only when it is in this version."),
    Flag("overwrite", kind="bool", help="Allow other values for keys that are set."),
)
LABEL = Command(
    _changing("labels", "labeled"), _FLAGS, "(-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N",
    "Update the labels on a resource.",
)  # fmt: skip
ANNOTATE = Command(
    _changing("annotations", "annotated"), _FLAGS, "(-f FILENAME | TYPE NAME) KEY_1=VAL_1 ... KEY_N=VAL_N",
    "Update the annotations on a resource.",
)  # fmt: skip
