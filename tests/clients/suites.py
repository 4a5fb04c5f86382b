"""The test suites of clients, as their authors publish them: what each needs, and which of its tests cannot pass here, with the reason.

docs/conformance/clients.md shows the reasons; `run.py` prints them beside what it finds.
"""

from dataclasses import dataclass, field
from pathlib import Path

SHIMS = Path(__file__).parent / "shims"


@dataclass(frozen=True)
class Suite:
    package: str
    requirements: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    copies: tuple[
        tuple[str, str], ...
    ] = ()  # (folder below shims, folder in the sdist) that the sdist leaves out
    not_ours: dict[str, str] = field(
        default_factory=dict
    )  # part of a test's name -> why it fails, whoever serves

    def reason(self, test: str) -> str:
        return next((why for part, why in self.not_ours.items() if part in test), "")


OLD_DEFINITIONS = "asks for apiextensions.k8s.io/v1beta1, which Kubernetes removed in 1.22"
GROUPED = "this version of httpx-ws wraps the error that the test expects in an exception group"
SUITES = {
    "kubernetes": Suite(
        "kubernetes",
        ("aiohttp>=3.9", "aiohttp-retry", "pydantic>=2", "pytest"),
        ("kubernetes", "--ignore=build"),
        (("e2e_test", "kubernetes/e2e_test"), ("e2e_test", "kubernetes/aio/e2e_test")),
        {
            "aio/dynamic/client_test.py::TestDynamicClient::test_server_side_apply_api": "applies a Deployment to the pods resource, which upstream refuses, too",
            "create_from_yaml_test.py": "reads nginx-deployment.yaml, which the sdist leaves out",
            "dynamic/test_client.py::TestDynamicClient::test_async_namespaced_custom_resources": OLD_DEFINITIONS,
            "dynamic/test_client.py::TestDynamicClient::test_cluster_custom_resources": OLD_DEFINITIONS,
            "dynamic/test_client.py::TestDynamicClient::test_namespaced_custom_resources": OLD_DEFINITIONS,
            "test_cache_decoder_resource_and_subresource": "compares objects of two clients by identity",
        },
    ),
    "kr8s": Suite(
        "kr8s",
        ("pytest", "pytest-asyncio", "pytest-timeout", "trio", "lightkube", "kubernetes", "pykube-ng", "kubernetes-asyncio",
         "kubernetes-validate"),
        ("-p", "pytest_kind.plugin", "-o", "addopts=", "--timeout=60", "-W", "ignore", "kr8s"),
        (),
        {
            "test_api_resources": "expects one resource called pods: a cluster with the metrics API has two",
            "test_cast_to_from_kubernetes": "the official client 37 has no module models.v1_pod, whatever the server",
            "test_wait_replicas": "needs the StatefulSet controller, which is not there yet",
            "test_pod_exec_error": GROUPED,
            "test_pod_exec_to_file": GROUPED,
        },
    ),
    "kopf": Suite(
        "kopf",
        ("certbuilder", "certvalidator", "freezegun", "kmock>=0.5", "looptime>=0.8", "pytest>=9", "pytest-aiohttp",
         "pytest-asyncio", "pytest-cov", "pytest-mock", "pytest-timeout", "kubernetes", "pykube-ng", "setuptools"),
        ("--only-e2e", "-o", "timeout=120", "-p", "no:unraisableexception", "tests/e2e", "examples"),
        (),
        {"test_all_examples_are_runnable[17-admission]": "oscrypto on PyPI does not recognise OpenSSL 3.0.10 and later: kopf pins a fix that is not released"},
    ),
    "lightkube": Suite("lightkube"),
}  # fmt: skip
