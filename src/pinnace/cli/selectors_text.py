"""Selectors as text, without importing the selector grammar: for queries, and as `describe` shows them."""

from typing import Any

Object = dict[str, Any]


def of_label_selector(selector: Object | None, *, empty: str = "") -> str:
    """A metav1.LabelSelector as kubectl prints it and servers read it."""
    if not selector:
        return empty
    pairs = [f"{k}={v}" for k, v in sorted((selector.get("matchLabels") or {}).items())]
    for expression in sorted(selector.get("matchExpressions") or (), key=lambda e: str(e["key"])):
        key, values = expression["key"], ",".join(sorted(expression.get("values") or ()))
        pairs.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[expression["operator"]]
        )
    return ",".join(pairs) or empty


def of_map(labels: Object | None) -> str:
    """`a=b,c=d`, or `<none>`."""
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items())) or "<none>"
