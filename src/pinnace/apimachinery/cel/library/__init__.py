"""The functions that expressions may call: CEL's own and those that Kubernetes adds, one module per theme."""

from functools import cache
from importlib import import_module

from pinnace.apimachinery.cel.functions import Functions, declare, merge

_THEMES = (
    "operators", "conversions", "texts", "times", "optionals", "lists", "sets", "regexes", "urls", "quantities",
    "addresses", "formats", "semvers", "authorization",
)  # fmt: skip


@cache
def functions() -> Functions:
    """Every function of Kubernetes' base environment; read when the first expression is compiled."""
    return merge(*(declare(import_module(f"{__name__}.{theme}").ROWS) for theme in _THEMES))


@cache
def json_patch_functions() -> Functions:
    """What mutations may call besides."""
    return declare(import_module(f"{__name__}.json_patches").ROWS)
