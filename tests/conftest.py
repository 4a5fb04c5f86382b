"""Our own plugin's fixtures, also where Pinnace is not installed and its entry point therefore not there."""

import os

from pinnace.testing.fixtures import api_server, fake_clock, local_client, rest_client, simulated_cluster

__all__ = ["api_server", "fake_clock", "local_client", "rest_client", "simulated_cluster"]

os.environ.setdefault("PINNACE_DETECT_MUTATION", "1")  # caches check that nobody changes what they hold
