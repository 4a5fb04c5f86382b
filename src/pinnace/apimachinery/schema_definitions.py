"""The OpenAPI definitions of Kubernetes v1.36, read one at a time from the package kubernetes-validate.

Their file holds 770 definitions in 1.6 MB. It is mapped, not loaded: the first use scans it once for the places of the
definitions (about 5 ms), and each definition is decoded when it is asked for and not kept.
"""

import importlib.util
import mmap
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from pinnace.apimachinery.gvk import GVK

Raw = dict[str, Any]

REF_PREFIX = "#/$defs/"

_NAME = re.compile(rb'^    "([^"\n]+)": \{$', re.MULTILINE)  # the file is indented by two spaces a level
_GVKS = re.compile(rb'"x-kubernetes-group-version-kind": (\[[^\]]*\])')


def default_path() -> Path:
    """Where the installed package keeps its newest definitions, found without importing it."""
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("the package kubernetes-validate is missing: pip install kubernetes-validate")
    root = Path(spec.submodule_search_locations[0]) / "kubernetes-json-schema"
    return root / "v1.36.0-local" / "_definitions.json"


class Definitions:
    """Definitions by name (`io.k8s.api.core.v1.Pod`) and by kind. Nothing is read before the first question."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    @cached_property
    def _data(self) -> mmap.mmap:
        with (self._path or default_path()).open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @cached_property
    def _spans(self) -> dict[str, tuple[int, int]]:
        """name -> where its JSON object begins and ends."""
        found = [(match[1].decode(), match.start(), match.end() - 1) for match in _NAME.finditer(self._data)]
        ends = [start for _, start, _ in found[1:]] + [self._data.rfind(b"\n  }")]
        return {name: (begin, end) for (name, _, begin), end in zip(found, ends, strict=True)}

    @cached_property
    def _by_gvk(self) -> dict[GVK, str]:
        kinds: dict[GVK, str] = {}
        owners = iter(self._spans.items())
        name, (_, end) = next(owners)
        for match in _GVKS.finditer(self._data):
            while match.start() > end:
                name, (_, end) = next(owners)
            for entry in orjson.loads(match[1]):
                kinds.setdefault(GVK(entry["group"], entry["version"], entry["kind"]), name)
        return kinds

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __contains__(self, name: str) -> bool:
        return name in self._spans

    def get(self, name: str) -> Raw:
        """The definition as the file has it, freshly decoded; raises KeyError for an unknown name."""
        begin, end = self._spans[name]
        return orjson.loads(self._data[begin:end].rstrip(b"\n\r ,"))

    def name_of(self, gvk: GVK) -> str | None:
        return self._by_gvk.get(gvk)
