"""The part of the jq language with which objects are looked into: paths, filters, comparisons and the common functions.

    query = compile_query('.status.conditions[] | select(.type == "Ready") | .status')
    list(query(obj))                                     # every output; JqError when the object does not fit

Variables, reduce, foreach, def, try, assignments, string interpolation and object construction are refused with JqError.
"""

from pinnace.apimachinery.jq.errors import JqError
from pinnace.apimachinery.jq.filters import Filter
from pinnace.apimachinery.jq.parser import compile_query

__all__ = ["Filter", "JqError", "compile_query"]
