"""`--overrides`: a patch, from the command line, of the object that a command makes."""

import json
from typing import Any

from pinnace.cli.errors import CliError
from pinnace.cli.flags import Flag, Values

Object = dict[str, Any]
OVERRIDES = (
    Flag("overrides", help="A patch, as inline JSON, of what is made."),
    Flag("override-type", default="merge", help="json, merge or strategic."),
)


def overridden(flags: Values, obj: Object) -> Object:
    """The object after `--overrides`, which is a patch of one of three types."""
    if not flags["overrides"]:
        return obj
    kind = flags["override-type"]
    if kind not in ("json", "merge", "strategic"):
        raise CliError(f"invalid override type: {kind}")
    from pinnace.apimachinery.errors import StatusError
    from pinnace.apimachinery.gvk import GVK
    from pinnace.apimachinery.patch import json_patch, merge_patch, strategic
    from pinnace.apimachinery.schema import schemas

    try:
        patch = json.loads(flags["overrides"])
        if kind == "json":
            return json_patch.applied(obj, patch)
        if kind == "merge":
            return merge_patch.apply(obj, patch)
        return strategic.apply(obj, patch, schemas.for_gvk(GVK("", "v1", obj["kind"])))
    except json.JSONDecodeError:
        raise CliError("Invalid JSON Patch") from None
    except json_patch.Inapplicable as error:
        raise CliError(str(error)) from error
    except (ValueError, StatusError) as error:
        if kind == "json":
            raise CliError(str(error)) from error
        raise CliError(f"cannot apply the overrides: {error}") from error
