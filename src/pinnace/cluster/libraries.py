"""Imports for the server's own process what would be slow to import as it is; nothing for programs that import Pinnace.

aiohttp makes a TLS context with all of the system's certificate authorities when it is imported (60 ms), which no part of the server
uses: each brings its own. NumPy's algebra starts a thread for every core, for products of matrices that the scheduler has not.
"""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager


def load() -> None:
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with environment(SSL_CERT_FILE=os.devnull, SSL_CERT_DIR=os.devnull):
        importlib.import_module("aiohttp")


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
