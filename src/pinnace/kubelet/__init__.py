"""The node agent: makes the pods bound to this node run, through a CRI runtime, and says how they are.

Owns pods' sandboxes, containers, volumes, cgroups and directories on one node, the Node object's status and its Lease.
May touch the node's file system, processes and the container runtime; reads and writes the API only through `Client`.
"""
