"""The official client's settings for the cluster of the environment variable KUBECONFIG."""

import asyncio
import importlib
from typing import Any


def get_e2e_configuration() -> Any:
    flavour = __name__.rpartition(".e2e_test.")[0]  # kubernetes or kubernetes.aio
    client = importlib.import_module(f"{flavour}.client")
    config = importlib.import_module(f"{flavour}.config")
    settings = client.Configuration()
    loading = config.load_kube_config(client_configuration=settings)
    if asyncio.iscoroutine(loading):
        asyncio.run(loading)
    return settings
