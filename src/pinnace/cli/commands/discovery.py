"""`api-resources`, `api-versions`: what the server offers."""

from pinnace.cli.command import Command
from pinnace.cli.errors import CliError, told
from pinnace.cli.flags import Flag, Values
from pinnace.cli.mapper import Resource
from pinnace.cli.printers.columns_text import ColumnWriter
from pinnace.cli.session import Session


def run_resources(session: Session, flags: Values, arguments: list[str]) -> int:
    if arguments:
        raise CliError(
            f"unexpected arguments: [{' '.join(arguments)}]\nSee '{session.path} -h' for help and examples"
        )
    if flags["output"] not in ("", "wide", "name"):
        raise CliError(f"--output {flags['output']} is not available")
    try:
        session.mapper.all(fresh=not flags["cached"])
    except CliError:
        if flags["output"] != "name" and not flags["no-headers"]:
            ColumnWriter().write([_header(flags)])
        raise
    rows = _chosen(session, flags)
    if flags["output"] == "name":
        for row in rows:
            print(row.qualified)
        return 0
    lines = [] if flags["no-headers"] else [_header(flags)]
    for row in rows:
        line = [
            row.name,
            ",".join(row.short_names),
            row.api_version,
            "true" if row.namespaced else "false",
            row.kind,
        ]
        if flags["output"] == "wide":
            line += [",".join(sorted(row.verbs)), ",".join(row.categories)]
        lines.append(line)
    ColumnWriter().write(lines)
    return 0


def _header(flags: Values) -> list[str]:
    wide = ["VERBS", "CATEGORIES"] if flags["output"] == "wide" else []
    return ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND", *wide]


def _chosen(session: Session, flags: Values) -> list[Resource]:
    """The preferred version of each resource, by group and name."""
    seen: dict[tuple[str, str], Resource] = {}
    for row in session.mapper.all(fresh=not flags["cached"]):
        seen.setdefault((row.group, row.name), row)
    rows = list(seen.values())
    if "api-group" in flags.given:
        rows = [row for row in rows if row.group == flags["api-group"]]
    if "namespaced" in flags.given:
        rows = [row for row in rows if row.namespaced == flags["namespaced"]]
    if flags["verbs"]:
        rows = [row for row in rows if set(flags["verbs"]) <= set(row.verbs)]
    if flags["categories"]:
        rows = [row for row in rows if set(flags["categories"]) <= set(row.categories)]
    if flags["sort-by"] not in ("", "name", "kind"):
        raise CliError("--sort-by accepts only name or kind")
    if flags["sort-by"]:
        return sorted(rows, key=lambda row: row.name if flags["sort-by"] == "name" else row.kind)
    return sorted(rows, key=lambda row: (row.group, row.name))


def run_versions(session: Session, flags: Values, arguments: list[str]) -> int:
    if arguments:
        raise CliError(
            f"unexpected arguments: [{' '.join(arguments)}]\nSee '{session.path} -h' for help and examples"
        )
    try:
        rows = session.mapper.all(fresh=True)
    except CliError as error:
        url = f"{session.connection.server}/api?timeout=32s"
        raise CliError(f"couldn't get available api versions from server: {told(error, url)}") from error
    for name in sorted({row.api_version for row in rows}):
        print(name)
    return 0


API_RESOURCES = Command(
    run_resources,
    (
        Flag("output", "o", help="wide or name."),
        Flag("cached", kind="bool", help="Use what was learned from the server before, if it is there."),
        Flag("api-group", help="Limit to resources in the group."),
        Flag("namespaced", kind="bool", default=True, help="Only (not) namespaced resources."),
        Flag("verbs", kind="list", help="Only resources with these verbs."),
        Flag("categories", kind="list", help="Only resources of these categories."),
        Flag("sort-by", help="name or kind."),
        Flag("no-headers", kind="bool", help="Do not print headers."),
    ),
    summary="Print the supported API resources on the server.",
)
API_VERSIONS = Command(run_versions, summary="Print the supported API versions on the server.")
