"""The controller's side of CSI, for drivers whose controller socket the server was given (`--csi-controller`).

It does what external-provisioner, external-attacher and external-resizer do, by their annotations, finalizers, names and
events. A driver that brings these sidecars is not given to it; should both run, they make the same objects under the same
names, and CSI's calls may be repeated. Left out: snapshots, clones, modifying of volumes.
"""
