"""`cluster-info`: where the control plane and the cluster's own services are."""

from pinnace.cli.builder import items_of
from pinnace.cli.command import Command
from pinnace.cli.commands.cluster_info_dump import DUMP
from pinnace.cli.flags import Values
from pinnace.cli.session import Session


def run(session: Session, flags: Values, arguments: list[str]) -> int:
    try:
        _show_services(session)
    finally:  # kubectl gives the advice after a failure, too
        print("\nTo further debug and diagnose cluster problems, use 'kubectl cluster-info dump'.")
    return 0


def _show_services(session: Session) -> None:
    services = session.mapper.find("services")
    found = session.http.get(
        services.path("kube-system"), {"labelSelector": "kubernetes.io/cluster-service=true"}
    )
    server = session.connection.server
    print(f"Kubernetes control plane is running at {server}")
    for service in items_of(found, services):
        metadata = service["metadata"]
        name = (metadata.get("labels") or {}).get("kubernetes.io/name") or metadata["name"]
        ports = service["spec"].get("ports") or [{}]
        port = f":{ports[0]['name']}" if ports[0].get("name") else ""
        print(
            f"{name} is running at {server}/api/v1/namespaces/kube-system/services/{metadata['name']}{port}/proxy"
        )


CLUSTER_INFO = Command(
    run,
    summary="Display the addresses of the control plane and services.",
    subcommands={"dump": DUMP},
)
