"""Imports for the server's own process what would be slow to import as it is; nothing for programs that import Pinnace.

aiohttp makes a TLS context with all of the system's certificate authorities when it is imported (60 ms), which no part of the server
uses: each brings its own. NumPy's algebra starts a thread for every core, for products of matrices that the scheduler has not.
"""

import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


def prepare(*, at_once: bool) -> None:
    """`at_once` where aiohttp will be used anyway: later it is imported by the first who needs it."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.meta_path.insert(0, _WithoutAuthorities())
    if at_once:
        importlib.import_module("aiohttp")


class _WithoutAuthorities(PathFinder):
    """Finds aiohttp, once, and imports it with an empty list of certificate authorities."""

    def find_spec(  # type: ignore[override] # of this object, not of the class
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "aiohttp":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def without(module: ModuleType) -> None:
                with environment(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.devnull):
                    execute(module)

            spec.loader.exec_module = without  # type: ignore[method-assign]
        return spec


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """These variables for a while, then those that were there before."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
