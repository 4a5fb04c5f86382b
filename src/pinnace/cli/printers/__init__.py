"""Writing objects: json, yaml, kyaml, Go templates, names, jsonpath, custom columns; tables as the server gives them.

Only the module of the format that was asked for is imported.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

from pinnace.cli.errors import CliError
from pinnace.cli.flags import Values

Object = dict[str, Any]
FORMATS = "custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,kyaml,name,template,templatefile,wide,yaml"
# of commands that only print what they made or changed
WITHOUT_TABLES = FORMATS.replace("custom-columns,custom-columns-file,", "").replace("wide,", "")
_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def to_text(obj: Any, output: str, indent: int = 4, *, sort_keys: bool = True) -> str:
    """json, yaml or kyaml, with the line end."""
    if output == "json":
        text = json.dumps(obj, indent=indent, sort_keys=sort_keys, ensure_ascii=False)
        for char, escape in _ESCAPES.items():
            if char in text:
                text = text.replace(char, escape)
        return text + "\n"
    if output == "kyaml":
        from pinnace.cli.printers.kyaml_text import dump as dump_kyaml

        return dump_kyaml(obj)
    from pinnace.cli.printers.yaml_text import dump

    return dump(obj)


def printer(
    flags: Values, name_of: "Callable[[Object], str]", done: str = "", *, formats: str = FORMATS
) -> Callable[[Object], None]:
    """What prints one object. `name_of` gives `deployment.apps/web`; `done` (e.g. `created`) is printed behind it by default."""
    kind = flags["output"].partition("=")[0]
    if formats is not FORMATS and kind and kind not in formats.split(","):
        raise CliError(_no_printer(flags["output"], formats))
    output = flags["output"] or ("go-template" if flags.get("template") else "")
    if not output:
        return lambda obj: print(f"{name_of(obj)} {done}".rstrip())
    if output == "name":
        return lambda obj: print(name_of(obj))
    if output in ("json", "yaml", "kyaml"):
        first = True

        def write(obj: Object) -> None:
            nonlocal first
            if not first and output == "yaml":
                print("---")
            first = False
            shown = obj if flags.get("show-managed-fields") else without_managed_fields(obj)
            sys.stdout.write(to_text(shown, output))

        return write
    return _templated(flags, output)


def _templated(flags: Values, output: str) -> Callable[[Object], None]:
    kind, _, template = output.partition("=")
    if kind in ("jsonpath", "jsonpath-file", "jsonpath-as-json"):
        from pinnace.apimachinery.jsonpath import JsonPath, JsonPathError

        template = template or flags.get("template") or ""
        if not template:
            raise CliError("template format specified but no template given")
        if kind == "jsonpath-file":
            template = read_file(template)
        try:
            path = JsonPath(template, allow_missing=flags.get("allow-missing-template-keys", True))
        except JsonPathError as error:
            raise CliError(f"error parsing jsonpath {template}, {error}") from error

        def write(obj: Object) -> None:
            try:
                if kind == "jsonpath-as-json":
                    sys.stdout.write(to_text(path.find(obj), "json"))
                else:
                    sys.stdout.write(path.render(obj))
            except JsonPathError as error:
                raise CliError(_not_executed(template, obj, error)) from error

        return write
    if kind in ("go-template", "go-template-file", "template", "templatefile"):
        return _go_template(flags, kind, template)
    if kind in ("custom-columns", "custom-columns-file"):
        from pinnace.cli.printers.custom_columns import CustomColumns

        spec = read_file(template, "template ") if kind == "custom-columns-file" else template
        columns = CustomColumns(
            spec, from_file=kind.endswith("file"), no_headers=flags.get("no-headers", False)
        )
        return columns.print
    raise CliError(_no_printer(output, FORMATS))


def _no_printer(output: str, formats: str) -> str:
    return (
        f'unable to match a printer suitable for the output format "{output}", allowed formats are: {formats}'
    )


def _not_executed(template: str, obj: Object, error: Exception) -> str:
    import json

    from pinnace.cli.printers.go_syntax import go_syntax

    return (
        f"error executing jsonpath {json.dumps(template)}: Error executing template: {error}. "
        "Printing more information for debugging the template:\n\ttemplate was:\n"
        f"\t\t{template}\n\tobject given to jsonpath engine was:\n\t\t{go_syntax(obj)}\n\n"
    )


def _go_template(flags: Values, kind: str, template: str) -> Callable[[Object], None]:
    from pinnace.cli.printers.go_template import GoTemplate

    source = template or flags.get("template") or ""
    if not source:
        raise CliError("template format specified but no template given")
    if kind.endswith("file"):
        source = read_file(source)
    found = GoTemplate(source, allow_missing=flags.get("allow-missing-template-keys", True))
    return lambda obj: print(found.render(obj), end="")


def read_file(path: str, what: str = "--template ") -> str:
    try:
        with open(path) as file:  # noqa: PTH123 (pathlib costs start-up time)
            return file.read()
    except OSError as error:
        raise CliError(f"error reading {what}{path}, open {path}: {str(error.strerror).lower()}") from error


def without_managed_fields(obj: Object) -> Object:
    if isinstance(obj.get("items"), list):
        return {**obj, "items": [without_managed_fields(item) for item in obj["items"]]}
    metadata = obj.get("metadata")
    if isinstance(metadata, dict) and "managedFields" in metadata:
        return {**obj, "metadata": {k: v for k, v in metadata.items() if k != "managedFields"}}
    return obj


def sorted_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sorted_keys(value[key]) for key in sorted(value)}
    return [sorted_keys(item) for item in value] if isinstance(value, list) else value


def as_list(items: list[Object]) -> Object:
    """Several objects as one List, as kubectl wraps them."""
    return {"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}
