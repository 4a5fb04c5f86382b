"""Root CA publisher: every active namespace has a ConfigMap `kube-root-ca.crt`, with which pods verify the API server."""

from collections.abc import Iterator

from pinnace.api import meta
from pinnace.api.meta import Object
from pinnace.api.resources import CONFIG_MAPS, NAMESPACES
from pinnace.client.informer import Key
from pinnace.controllers.runtime import Action, Controller, Create, Update, World
from pinnace.controllers.serviceaccount import is_active

NAME = "kube-root-ca.crt"
DESCRIPTION = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
    "Kubernetes clusters."
)


def controller(root_ca: str) -> Controller:
    """`root_ca` is the bundle in PEM."""

    def reconcile(namespace: Object, world: World) -> Iterator[Action]:
        name = meta.name(namespace)
        if not is_active(namespace):
            return
        current = world.get(CONFIG_MAPS, NAME, name)
        if current is None:
            metadata = {
                "name": NAME, "namespace": name, "annotations": {"kubernetes.io/description": DESCRIPTION},
            }  # fmt: skip
            yield Create(
                {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"ca.crt": root_ca}},
                may_exist=True,
            )
        elif current.get("data") != {"ca.crt": root_ca}:
            yield Update({**current, "data": {"ca.crt": root_ca}})

    return Controller(
        name="root-ca-certificate-publisher",
        source="root-ca-certificate-publisher",
        primary=NAMESPACES,
        reconcile=reconcile,
        watches={CONFIG_MAPS: namespace_of_root_ca},
        workers=1,
    )


def namespace_of_root_ca(old: Object | None, new: Object | None, world: World) -> Iterator[Key]:
    changed = new if new is not None else old
    if changed is not None and meta.name(changed) == NAME:
        yield "", meta.namespace(changed)
