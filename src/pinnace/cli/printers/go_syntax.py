"""Objects as Go's `%#v` writes them: what kubectl shows when a template cannot be carried out."""

import json
from typing import Any


def go_syntax(value: Any) -> str:
    if isinstance(value, dict):
        fields = ", ".join(
            f"{json.dumps(key, ensure_ascii=False)}:{go_syntax(value[key])}" for key in sorted(value)
        )
        return f"map[string]interface {{}}{{{fields}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(go_syntax, value))}}}"
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
