"""Storage: claims find volumes (`binder`), grow (`expander`), come with pods (`ephemeral`), are attached to nodes (`attach_detach`).

`local_path` provisions directories of a node. What these share with the scheduler and the kubelet stands in
`pinnace.api.core.volume_binding`. `csi` does the work of a driver's sidecars where the server is given
its socket; otherwise who has a driver runs them, as with upstream.
"""
