"""A namespace for all tests of a module, which share its pods."""

from e2e.conformance.conftest import place

__all__ = ["place"]
