"""The controllers: each keeps one promise of the API by comparing what is asked for with what is there, again and again.

`catalog` is the table of all; `controllers` runs a selection of them on shared informers; `runtime` holds what they share.
A controller is one module whose `reconcile` is pure. Talks to the API through `pinnace.client` only.
"""
