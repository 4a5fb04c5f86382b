"""`kustomize` and `-k`: objects from bases, overlays, components, patches and generators; what is covered: docs/kustomize.md.

`build.py` is the entrance, `accumulate.py` the order of events; each generator and transformer is a file and a table row.
"""
