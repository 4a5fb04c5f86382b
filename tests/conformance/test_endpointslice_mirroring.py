"""Hand-made Endpoints are shown as EndpointSlices."""

import pytest

from pinnace.api.resources import ENDPOINT_SLICES, ENDPOINTS
from pinnace.client.interface import Object
from pinnace.testing.simulated_cluster import SimulatedCluster

SELECTOR = (
    "kubernetes.io/service-name=custom,"
    "endpointslice.kubernetes.io/managed-by=endpointslicemirroring-controller.k8s.io"
)


async def slices(cluster: SimulatedCluster) -> list[Object]:
    found = await cluster.client.list(ENDPOINT_SLICES, "default", label_selector=SELECTOR)
    return list(found["items"])


@pytest.mark.conformance(
    "[sig-network] EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete [Conformance]"
)
async def test_custom_endpoints_are_mirrored_through_create_update_and_delete(
    cluster: SimulatedCluster,
) -> None:
    ports = [{"name": "example", "port": 80, "protocol": "TCP"}]
    await cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "custom"},
            "spec": {"ports": [{**ports[0], "targetPort": 80}]},
        }
    )
    made = await cluster.create(
        {
            "apiVersion": "v1",
            "kind": "Endpoints",
            "metadata": {"name": "custom"},
            "subsets": [{"ports": ports, "addresses": [{"ip": "10.1.2.3"}]}],
        }
    )

    async def shows(address: str) -> bool:
        found = await slices(cluster)
        return len(found) == 1 and [e["addresses"] for e in found[0]["endpoints"]] == [[address]]

    await cluster.until(lambda: shows("10.1.2.3"))
    (found,) = await slices(cluster)
    assert found["addressType"] == "IPv4"
    assert found["ports"] == ports
    assert found["metadata"]["name"].startswith("custom-")
    name = found["metadata"]["name"]

    changed = {**made, "subsets": [{"ports": ports, "addresses": [{"ip": "10.2.3.4"}]}]}
    await cluster.client.update(ENDPOINTS, changed)
    await cluster.until(lambda: shows("10.2.3.4"))
    assert (await slices(cluster))[0]["metadata"]["name"] == name

    await cluster.client.delete(ENDPOINTS, "custom", "default")

    async def gone() -> bool:
        return not await slices(cluster)

    await cluster.until(gone)
