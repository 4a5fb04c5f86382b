"""Storage: claims find volumes (`binder`), grow (`expander`), come with pods (`ephemeral`), are attached to nodes (`attach_detach`).

`local_path` provisions directories of a node. What these share with the scheduler and the kubelet stands in
`pinnace.api.core.volume_binding`. Left out: CSI drivers themselves; who has one runs its sidecars, as with upstream.
"""
