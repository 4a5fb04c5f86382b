"""Structural schemas of custom resources: what they drop, fill in and refuse. Pure, and free of kinds.

https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
"""
