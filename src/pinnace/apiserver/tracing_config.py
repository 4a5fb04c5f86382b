"""`--tracing-config-file`: where recorded spans are sent by OTLP, and how many of them.

Format: https://kubernetes.io/docs/reference/config-api/apiserver-config.v1/ (TracingConfiguration)
"""

from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from pinnace.api.fields import invalid
from pinnace.apimachinery.errors import Cause
from pinnace.apiserver.config_files import ConfigFileError, load_config_file, reject_unknown

API_VERSIONS = ("apiserver.config.k8s.io/v1", "apiserver.config.k8s.io/v1beta1")
MILLION = 1_000_000
DEFAULT_ENDPOINT = "localhost:4317"
SCHEMES = ("dns", "unix", "unix-abstract")
INSTALL = "pip install 'pinnace[otlp]'"


class TracingConfiguration(NamedTuple):
    endpoint: str = DEFAULT_ENDPOINT
    sampling_rate_per_million: int = 0  # of traces that no client has begun as sampled


def load_tracing_configuration(path: Path) -> TracingConfiguration:
    """Raises ConfigFileError for what kube-apiserver does not take either, and where the packages for OTLP are missing."""
    body = load_config_file(path, "TracingConfiguration", API_VERSIONS)
    reject_unknown(
        path, "TracingConfiguration", body, ("kind", "apiVersion", "endpoint", "samplingRatePerMillion")
    )
    endpoint, rate = body.get("endpoint"), body.get("samplingRatePerMillion")
    if endpoint is not None and not isinstance(endpoint, str):
        raise ConfigFileError(path, "endpoint: must be a string")
    if rate is not None and (type(rate) is not int or not -(2**31) <= rate < 2**31):
        raise ConfigFileError(path, "samplingRatePerMillion: must be a number of 32 bits")
    causes = [*_rate_causes(rate), *_endpoint_causes(endpoint)]
    if causes:
        texts = [f"{cause.field}: {cause.message}" for cause in causes]
        joined = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
        raise ConfigFileError(path, f"failed to validate tracing configuration: {joined}")
    _check_installed(path)
    return TracingConfiguration(endpoint or DEFAULT_ENDPOINT, rate or 0)


def _rate_causes(rate: int | None) -> list[Cause]:
    if rate is not None and rate < 0:
        return [invalid("samplingRatePerMillion", rate, "sampling rate must be positive")]
    if rate is not None and rate > MILLION:
        text = "sampling rate per million must be less than or equal to one million"
        return [invalid("samplingRatePerMillion", rate, text)]
    return []


def _endpoint_causes(endpoint: str | None) -> list[Cause]:
    """As upstream's; and a name server of its own for the name, which the exporter's package does not know."""
    if endpoint is None:
        return []
    url = endpoint if "//" in endpoint else f"dns://{endpoint}"
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        text = (
            f"unsupported scheme: {parts.scheme}.  Options are none, dns, unix, or unix-abstract.  "
            "See https://github.com/grpc/grpc/blob/master/doc/naming.md"
        )
        return [invalid("endpoint", url, text)]
    if url == endpoint and parts.netloc:
        return [invalid("endpoint", url, "an authority is not supported: use dns:///HOST:PORT")]
    return []


def _check_installed(path: Path) -> None:
    from importlib.util import find_spec

    for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.grpc"):
        if not _is_there(find_spec, name):
            raise ConfigFileError(path, f"the package {name} is missing: {INSTALL}")


def _is_there(find_spec: Any, name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # a package above it
        return False
