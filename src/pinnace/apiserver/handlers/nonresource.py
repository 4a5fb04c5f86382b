"""Paths that name no resource: health, version, metrics, discovery, OpenAPI, token keys."""

import asyncio
import platform

import orjson

from pinnace import KUBERNETES_VERSION, __version__
from pinnace.apimachinery import errors
from pinnace.apiserver import kubernetes_service
from pinnace.apiserver.request import Answer, Request, Response

TEXT = "text/plain; charset=utf-8"
_READING = ("GET", "HEAD")
_NO_SNIFFING = {"X-Content-Type-Options": "nosniff"}
_FLOW_DUMPS = "/debug/api_priority_and_fairness/"


async def serve(request: Request) -> Answer:
    path = request.path.rstrip("/") or "/"
    first = path.split("/")[1]
    if first in ("livez", "readyz", "healthz"):
        return await _health(request, path)
    if request.method not in _READING:
        raise errors.MethodNotSupported("the server does not allow this method on the requested resource")
    if path == "/version":
        return Response(orjson.dumps(version(), option=orjson.OPT_INDENT_2))
    if path == "/metrics":
        return _metrics(request)
    if path == "/metrics/slis":
        return _metrics(request, only_health=True)
    if first in ("api", "apis"):
        return _discovery(request, path)
    if first in ("openapi", "openid", ".well-known"):
        return await _documents(request, path)
    if path.startswith(_FLOW_DUMPS) and request.services.fairness is not None:
        from pinnace.apiserver.flowcontrol.reports import DUMPS

        dump = DUMPS.get(path.removeprefix(_FLOW_DUMPS))
        return Response(dump(request.services.fairness).encode(), content_type=TEXT) if dump else not_found()
    if first == "debug":
        return _debug(request, path)
    if path == "/":
        return Response(orjson.dumps({"paths": paths(request)}, option=orjson.OPT_INDENT_2))
    return not_found()


def _debug(request: Request, path: str) -> Response:
    """What another part of this process shows of itself."""
    _, _, name, *segments = [*path.split("/"), ""] if path == "/debug" else path.split("/")
    source = request.services.debug.get(name)
    query = {key: values[-1] for key, values in request.query.items() if values}
    shown = source(segments, query) if source is not None else None
    if shown is None:
        return not_found()
    return Response(orjson.dumps(shown, option=orjson.OPT_INDENT_2))


def not_found() -> Response:
    return Response(b"404 page not found\n", 404, TEXT)


def git_version() -> str:
    return f"v{'.'.join(KUBERNETES_VERSION)}+pinnace.{__version__}"


def version() -> dict[str, str]:
    """What `kubectl version` prints; the suffix tells Pinnace from upstream."""
    major, minor, _ = KUBERNETES_VERSION
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": git_version(),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"{platform.system().lower()}/{_architecture()}",
    }


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def paths(request: Request) -> list[str]:
    groups = sorted({row.gvr for row in request.services.registries.rows})
    versions = {f"/apis/{gvr.group}/{gvr.version}" for gvr in groups if gvr.group}
    names = {f"/apis/{gvr.group}" for gvr in groups if gvr.group}
    others = {"/.well-known/openid-configuration", "/api", "/api/v1", "/apis", "/healthz", "/livez", "/metrics",
              "/metrics/slis", "/openapi/v2", "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version"}  # fmt: skip
    others |= {f"/debug/{name}" for name in request.services.debug}
    health = request.services.health
    checks = {f"/{root}/{name}" for root in ("healthz", "livez", "readyz") for name in health.checks(root)}
    return sorted(versions | names | others | checks)


def _metrics(request: Request, *, only_health: bool = False) -> Response:
    from pinnace.component.metrics import media_type, render

    services = request.services
    media = media_type(request.headers.get("Accept", ""))
    if only_health:
        return Response(render(services.health.families(), media), content_type=media)
    clock = services.clock
    services.metrics.wall_offset = clock.now().timestamp() - clock.monotonic()
    told = {
        "major": "major", "minor": "minor", "git_version": "gitVersion", "git_commit": "gitCommit",
        "git_tree_state": "gitTreeState", "build_date": "buildDate", "go_version": "goVersion", "compiler": "compiler",
        "platform": "platform",
    }  # fmt: skip
    own = version()
    body = services.metrics.exposition(media, constant={label: own[key] for label, key in told.items()})
    return Response(body, content_type=media)


async def _health(request: Request, path: str) -> Answer:
    health = request.services.health
    _, name, *rest = path.split("/")
    if rest:
        one = await health.one(name, "/".join(rest))
        if one is None:
            return not_found()
        return Response(one[1].encode(), one[0], TEXT, dict(_NO_SNIFFING))
    exclude = frozenset(request.query.get("exclude", ()))
    code, text = await health.report(name, verbose="verbose" in request.query, exclude=exclude)
    return Response(text.encode(), code, TEXT, dict(_NO_SNIFFING))


def _discovery(request: Request, path: str) -> Answer:
    accept, services = request.headers.get("Accept", ""), request.services
    answer = services.aggregator.discovery(path, accept, lambda path: services.discovery.answer(path, accept))
    if answer is None:
        raise errors.NotFound("the server could not find the requested resource")
    headers = {"ETag": answer.etag, "Vary": "Accept"} if answer.etag else {}
    if answer.etag and answer.is_known_to(request.headers.get("If-None-Match", "")):
        return Response(b"", 304, answer.content_type, headers)
    return Response(answer.body, 200, answer.content_type, headers)


async def _documents(request: Request, path: str) -> Answer:
    if path.startswith("/openapi/"):
        return await _openapi(request, path)
    return _token_documents(request, path)


async def _openapi(request: Request, path: str) -> Answer:
    """In a thread: making a document takes some 50 ms, once."""
    services, headers = request.services, request.headers
    if services.openapi is None:
        from pinnace.apiserver.openapi import OpenApi
        from pinnace.apiserver.openapi.custom import CustomDefinitions

        definitions = services.registries.schemas.definitions
        custom = CustomDefinitions.of(services.custom_resources.kinds())
        services.openapi = OpenApi(services.registries.rows, version()["gitVersion"], definitions, custom)
    openapi = services.openapi
    asked = {
        "accept": headers.get("Accept", ""),
        "accept_encoding": headers.get("Accept-Encoding", ""),
        "if_none_match": headers.get("If-None-Match", ""),
    }
    answer = None
    if services.aggregator.has_available:
        from pinnace.apiserver.aggregation.openapi_answers import merged

        answer = await merged(services.aggregator, openapi, path, **asked)
    if answer is None:
        answer = await asyncio.to_thread(openapi.answer, path, **asked, asked_hash=request.param("hash"))
    if answer is None:
        return not_found()
    return Response(answer.body, answer.status, answer.headers.pop("Content-Type", TEXT), answer.headers)


def _token_documents(request: Request, path: str) -> Answer:
    """How others verify service-account tokens: OpenID discovery and the public keys."""
    tokens = request.services.tokens
    if path == "/openid/v1/jwks":
        return Response(orjson.dumps(tokens.key_set()), content_type="application/jwk-set+json")
    if path != "/.well-known/openid-configuration":
        return not_found()
    address = kubernetes_service.advertised_address(request.services.config)
    configuration = {
        "issuer": tokens.issuer,
        "jwks_uri": request.services.config.service_account_jwks_uri
        or f"https://{address}:{request.services.port}/openid/v1/jwks",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": tokens.algorithms(),
    }
    return Response(orjson.dumps(configuration))
