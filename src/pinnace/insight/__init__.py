"""Why does something not work? Rules from what the API tells to causes, with the evidence and what to type next.

Owns the rules (`rules/`, one file per broken link), the links that are followed from one object to the next, and the ranking. It is
pure: what it reads it asks from a `Reader` that the caller brings, so it works on any cluster, and on recorded objects in tests.
"""
