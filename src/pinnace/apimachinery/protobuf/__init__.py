"""Kubernetes' protobuf encoding of the built-in types, to and from the plain dicts that are used everywhere else.

`messages.txt` is the table of facts (one message a line), `table` reads it, `wire` knows bytes, `codec` joins them.
"""
