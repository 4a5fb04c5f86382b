"""The pytest plugin of Pinnace, loaded by its entry point: fixtures for tests of whatever talks to Kubernetes."""

from pinnace.testing.fixtures import api_server, fake_clock, local_client, rest_client, simulated_cluster

__all__ = ["api_server", "fake_clock", "local_client", "rest_client", "simulated_cluster"]
