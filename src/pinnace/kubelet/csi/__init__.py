"""The node's side of CSI: drivers that register, the CSINode that tells of them, and their volumes on this node.

What is mounted stands in `vol_data.json` files where upstream keeps them, and nowhere else: a kubelet that was killed at any
moment finds there what it has to undo. Left out: SELinux mount contexts, translation of in-tree volumes.
"""
