"""What mutations need to write JSON patches."""

from pinnace.apimachinery.cel.functions import Row

ROWS: tuple[Row, ...] = (
    (
        "jsonpatch.escapeKey",
        "jsonpatch_escapeKey_string",
        "(string) -> string",
        lambda key: key.replace("~", "~0").replace("/", "~1"),
    ),
)
