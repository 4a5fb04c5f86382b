"""Kubernetes' protobuf encoding of the built-in types, to and from the plain dicts that are used everywhere else.

`messages.txt` is the table of facts (one message a line), `table` reads it, `wire` knows bytes, `special` the messages whose
JSON differs from their fields; `encoders` and `decoders` make functions of the table, `codec` adds envelopes and lists.
"""
