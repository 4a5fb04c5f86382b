"""Collects the lines of a description and aligns them at the end; and the blocks that all kinds share."""

from typing import Any

from pinnace.cli.harmless import escaped
from pinnace.cli.printers.tabwriter import align

Object = dict[str, Any]
LONGEST_ANNOTATION = 140
HIDDEN_ANNOTATIONS = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})


class Writer:
    def __init__(self) -> None:
        self._done: list[str] = []
        self._text: list[str] = []

    def line(self, text: str = "", level: int = 0) -> None:
        """One line; tabs separate cells, each level indents by two spaces."""
        self._text.append(f"{'  ' * level}{escaped(text)}\n")

    def flush(self) -> None:
        """What follows has columns of its own."""
        self._done.append(align("".join(self._text)))
        self._text = []

    def unaligned(self) -> str:
        """With the tabs left in."""
        return "".join(self._text)

    def text(self) -> str:
        self.flush()
        return "".join(self._done)

    def labels(self, title: str, labels: Object | None) -> None:
        """`Labels:  a=b`, further ones below."""
        pairs = [f"{k}={v}" for k, v in sorted((labels or {}).items())] or ["<none>"]
        for at, pair in enumerate(pairs):
            self.line(f"{title}:\t{pair}" if at == 0 else f"\t{pair}")

    def annotations(self, title: str, annotations: Object | None) -> None:
        shown = {k: v for k, v in (annotations or {}).items() if k not in HIDDEN_ANNOTATIONS}
        if not shown:
            self.line(f"{title}:\t<none>")
        for at, key in enumerate(sorted(shown)):
            head = f"{title}:\t{key}:" if at == 0 else f"\t{key}:"
            value = shown[key].removesuffix("\n")
            if len(value) + len(key) + 2 > LONGEST_ANNOTATION or "\n" in value:
                self.line(head)
                for part in value.split("\n"):
                    limit = LONGEST_ANNOTATION - 2
                    self.line(f"\t  {part[:limit]}..." if len(part) > limit else f"\t  {part}")
            else:
                self.line(f"{head} {value}")

    def tolerations(self, title: str, tolerations: list[Object] | None) -> None:
        shown = sorted(tolerations or (), key=lambda t: t.get("key") or "")
        for at, toleration in enumerate(shown):
            self.line(f"{title}:\t{_toleration(toleration)}" if at == 0 else f"\t{_toleration(toleration)}")
        if not shown:
            self.line(f"{title}:\t<none>")


def _toleration(toleration: Object) -> str:
    key, value, effect = (toleration.get(part) or "" for part in ("key", "value", "effect"))
    text = key + (f"={value}" if value else "") + (f":{effect}" if effect else "")
    if toleration.get("operator") == "Exists" and not value:
        text += " op=Exists" if key or effect else "op=Exists"
    if toleration.get("tolerationSeconds") is not None:
        text += f" for {toleration['tolerationSeconds']}s"
    return text


def boolean(value: Any) -> str:
    return "True" if value else "False"


def controlled_by(obj: Object) -> str:
    """`ReplicaSet/web-5c47`, or nothing."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return f"{owner['kind']}/{owner['name']}"
    return ""
