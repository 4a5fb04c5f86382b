"""`--tracing-config-file`: what is taken, and kube-apiserver's words for what is not."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from pinnace.apiserver.config_files import ConfigFileError
from pinnace.apiserver.tracing_config import TracingConfiguration, load_tracing_configuration
from pinnace.cluster.errors import UsageError
from pinnace.cluster.tracing import check_tracing_configuration


def written(directory: Path, body: str, version: str = "v1") -> Path:
    path = directory / "tracing.yaml"
    path.write_text(f"apiVersion: apiserver.config.k8s.io/{version}\nkind: TracingConfiguration\n{body}")
    return path


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_what_is_left_out_has_upstreams_defaults(tmp_path: Path, version: str) -> None:
    assert load_tracing_configuration(written(tmp_path, "", version)) == TracingConfiguration(
        "localhost:4317", 0
    )


@pytest.mark.parametrize(
    "endpoint", ["collector:4317", "dns:///collector:4317", "unix:///run/otlp.sock", "10.0.0.1:1"]
)
def test_endpoints_as_grpc_names_them(tmp_path: Path, endpoint: str) -> None:
    path = written(tmp_path, f"endpoint: {endpoint}\nsamplingRatePerMillion: 1000000\n")
    assert load_tracing_configuration(path) == TracingConfiguration(endpoint, 1_000_000)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("samplingRatePerMillion: -1", "samplingRatePerMillion: Invalid value: -1: sampling rate must be positive"),
        ("samplingRatePerMillion: 1000001", "samplingRatePerMillion: Invalid value: 1000001: sampling rate per million must "
         "be less than or equal to one million"),
        ("endpoint: https://a:1", 'endpoint: Invalid value: "https://a:1": unsupported scheme: https.  Options are none, dns, '
         "unix, or unix-abstract.  See https://github.com/grpc/grpc/blob/master/doc/naming.md"),
        ("endpoint: dns://1.1.1.1/a:1", 'endpoint: Invalid value: "dns://1.1.1.1/a:1": an authority is not supported'),
        ("endpoint: 5", "endpoint: must be a string"),
        ("samplingRatePerMillion: often", "samplingRatePerMillion: must be a number"),
        ("sampling: 5", 'unknown field "sampling"'),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, body: str, says: str) -> None:
    path = written(tmp_path, body + "\n")
    with pytest.raises(ConfigFileError) as raised:
        load_tracing_configuration(path)
    assert says in str(raised.value)


def test_both_faults_are_told_together(tmp_path: Path) -> None:
    path = written(tmp_path, "endpoint: ftp://a\nsamplingRatePerMillion: -5\n")
    with pytest.raises(
        ConfigFileError, match=r"configuration: \[samplingRatePerMillion: .* positive, endpoint: .*\]"
    ):
        load_tracing_configuration(path)


def test_missing_packages_are_named_with_the_command_that_brings_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(name: str, package: Any = None) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib.util, "find_spec", nothing)
    with pytest.raises(UsageError, match=r"--tracing-config-file .*pip install 'pinnace\[otlp\]'"):
        check_tracing_configuration(written(tmp_path, ""))
