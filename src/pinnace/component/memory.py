"""Memory that Python has freed but the C library keeps, given back to the system."""

import ctypes


def give_back() -> None:
    """For after something big; takes some 10 ms, without holding Python up. Nothing happens where the library cannot do it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
