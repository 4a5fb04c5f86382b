"""Static pods: from files on the node, without the API server; the API gets a mirror of each.

It owns what is in the files (`manifests`), when they change (`directory`), their pods (`runner`) and their mirrors (`mirrors`).
"""
