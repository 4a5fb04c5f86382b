"""kubelet's `--node-labels` and `--register-with-taints`: checked before anything starts."""

from pinnace.cluster.errors import UsageError

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def labels(text: str) -> dict[str, str]:
    """`KEY=VALUE,...`; raises UsageError."""
    if not text:
        return {}
    from pinnace.api import names  # only where a label is given: it costs start-up time

    found = {}
    for entry in filter(None, text.split(",")):
        key, _, value = entry.partition("=")
        if wrong := (*names.qualified_name(key), *names.label_value(value)):
            raise UsageError(f"--node-labels {entry}: {wrong[0]}")
        found[key] = value
    return found


def taints(text: str) -> tuple[dict[str, str], ...]:
    """`KEY=VALUE:EFFECT,...` or `KEY:EFFECT`; raises UsageError."""
    if not text:
        return ()
    from pinnace.api import names

    found = []
    for entry in filter(None, text.split(",")):
        head, _, effect = entry.rpartition(":")
        key, _, value = head.partition("=")
        if effect not in EFFECTS:
            raise UsageError(f"--register-with-taints {entry}: invalid taint effect: {effect}")
        if wrong := (*names.qualified_name(key), *names.label_value(value)):
            raise UsageError(f"--register-with-taints {entry}: {wrong[0]}")
        found.append({"key": key, "effect": effect, **({"value": value} if value else {})})
    return tuple(found)
