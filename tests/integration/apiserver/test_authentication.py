"""Who is asking: every way of proving it, through a real server."""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pinnace.api import resources as r
from pinnace.apimachinery import errors
from pinnace.apiserver.authn import jwt
from pinnace.apiserver.config_security import AuthenticationConfig, OidcConfig
from pinnace.testing.api_server import MASTERS, ApiServerInProcess
from pinnace.testing.certificates import TestAuthority

Start = Callable[..., Awaitable[ApiServerInProcess]]
Serve = Callable[..., Awaitable[str]]


@pytest_asyncio.fixture
async def start(tmp_path: Path) -> AsyncGenerator[Start, None]:
    async with AsyncExitStack() as stack:

        async def begin(**changes: Any) -> ApiServerInProcess:
            return await stack.enter_async_context(ApiServerInProcess(tmp_path / "pki", **changes))

        yield begin


@pytest.fixture
def outside(tmp_path: Path) -> TestAuthority:
    """Signs the certificates of servers that the API server asks."""
    return TestAuthority(tmp_path / "outside")


@pytest_asyncio.fixture
async def serve(outside: TestAuthority) -> AsyncGenerator[Serve, None]:
    """An HTTPS server with these handlers by path; gives its address."""
    runners: list[web.ServerRunner] = []

    async def begin(answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> str:
        pair = outside.server("outside")
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(pair.certificate, pair.key)
        runner = web.ServerRunner(web.Server(answer))
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        return f"https://127.0.0.1:{runner.addresses[0][1]}"

    yield begin
    for runner in runners:
        await runner.cleanup()


def kubeconfig(path: Path, server: str, ca: Path) -> Path:
    cluster = {"server": server, "certificate-authority": str(ca)}
    path.write_text(
        yaml.safe_dump(
            {
                "kind": "Config", "apiVersion": "v1", "current-context": "c", "users": [{"name": "u", "user": {}}],
                "clusters": [{"name": "c", "cluster": cluster}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            }
        )
    )  # fmt: skip
    return path


async def whoami(api: ApiServerInProcess, token: str) -> dict[str, Any]:
    review = await api.rest_client(token=token).create(
        r.SELF_SUBJECT_REVIEWS, {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    )
    return dict(review["status"]["userInfo"])


# -- anonymous


async def code_of(api: ApiServerInProcess, path: str) -> int:
    connector = aiohttp.TCPConnector(ssl=api.tls())
    async with aiohttp.ClientSession(connector=connector) as http, http.get(api.url + path) as answer:
        return answer.status


async def test_anonymous_requests_may_be_limited_to_health(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "authentication.yaml"
    conditions = [{"path": "/livez"}, {"path": "/readyz"}]
    file.write_text(
        yaml.safe_dump(
            {
                "kind": "AuthenticationConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
                "anonymous": {"enabled": True, "conditions": conditions},
            }
        )
    )  # fmt: skip
    api = await start(authentication=AuthenticationConfig(authentication_config=file))
    assert await code_of(api, "/livez") == 200
    assert await code_of(api, "/version") == 401
    assert await code_of(api, "/api/v1/pods") == 401


async def test_anonymous_requests_are_let_in_by_default_and_refused_when_told(
    api_server: ApiServerInProcess, start: Start
) -> None:
    assert await code_of(api_server, "/version") == 200
    assert await code_of(api_server, "/api/v1/pods") == 403
    strict = await start(anonymous_auth=False)
    assert await code_of(strict, "/version") == 401


# -- bootstrap tokens


async def test_a_bootstrap_token_may_ask_for_certificates(start: Start) -> None:
    api = await start(authentication=AuthenticationConfig(bootstrap_token_auth=True))
    data = {"token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-authentication": "true",
            "auth-extra-groups": "system:bootstrappers:kubeadm:default-node-token"}  # fmt: skip
    secret = {"kind": "Secret", "apiVersion": "v1", "type": "bootstrap.kubernetes.io/token",
              "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"}, "stringData": data}  # fmt: skip
    await api.local_client().create(r.SECRETS, secret)
    user = await whoami(api, "abcdef.0123456789abcdef")
    assert user["username"] == "system:bootstrap:abcdef"
    assert user["groups"] == [
        "system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token", "system:authenticated",
    ]  # fmt: skip
    await api.local_client().delete(r.SECRETS, "bootstrap-token-abcdef", "kube-system")
    with pytest.raises(errors.Unauthorized):
        await whoami(api, "abcdef.0123456789abcdef")


# -- OIDC


class Provider:
    """An OpenID Connect issuer with one key at a time."""

    def __init__(self) -> None:
        self.url, self.asked = "", 0
        self.key: Any = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        if request.path == "/.well-known/openid-configuration":
            return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})
        return web.json_response({"keys": [jwt.public_jwk(self.key.public_key())]})

    def token(self, **claims: Any) -> str:
        now = int(time.time())
        base = {"iss": self.url, "aud": "my-app", "sub": "jane", "exp": now + 600, "iat": now}
        return jwt.sign({**base, **claims}, self.key)


@pytest_asyncio.fixture
async def provider(serve: Serve) -> Provider:
    found = Provider()
    found.url = await serve(found.answer)
    return found


async def test_an_oidc_token_is_a_user_with_groups(
    start: Start, provider: Provider, outside: TestAuthority
) -> None:
    oidc = OidcConfig(provider.url, "my-app", groups_claim="groups", groups_prefix="oidc:", ca_file=outside.ca,
                      required_claims={"hd": "example.org"}, signing_algs=("RS256", "ES256"))  # fmt: skip
    api = await start(authentication=AuthenticationConfig(oidc=oidc))
    user = await whoami(api, provider.token(groups=["dev"], hd="example.org"))
    assert user["username"] == f"{provider.url}#jane"
    assert user["groups"] == ["oidc:dev", "system:authenticated"]
    asked = provider.asked
    await whoami(api, provider.token(groups="ops", hd="example.org"))
    assert provider.asked == asked, "keys are kept"
    for bad in (
        {"aud": "other"},
        {"exp": 1},
        {"hd": "example.com"},
        {"sub": 3},
        {"groups": [1]},
        {"iss": "https://x"},
    ):
        with pytest.raises(errors.Unauthorized):
            await whoami(api, provider.token(**{"hd": "example.org", **bad}))
    forged = Provider()
    forged.url = provider.url
    with pytest.raises(errors.Unauthorized):
        await whoami(api, forged.token(hd="example.org"))


async def test_a_structured_configuration_names_issuers(
    start: Start, provider: Provider, outside: TestAuthority, tmp_path: Path
) -> None:
    provider.key = ec.generate_private_key(ec.SECP384R1())
    file = tmp_path / "authentication.yaml"
    issuer = {"url": provider.url, "audiences": ["a", "my-app"], "audienceMatchPolicy": "MatchAny",
              "certificateAuthority": outside.ca.read_text()}  # fmt: skip
    mappings = {
        "username": {"claim": "email", "prefix": ""},
        "groups": {"claim": "roles", "prefix": "r-"},
        "uid": {"claim": "sub"},
    }
    entry = {"issuer": issuer, "claimMappings": mappings,
             "claimValidationRules": [{"claim": "team", "requiredValue": "x"}]}  # fmt: skip
    file.write_text(yaml.safe_dump({"kind": "AuthenticationConfiguration",
                                    "apiVersion": "apiserver.config.k8s.io/v1", "jwt": [entry]}))  # fmt: skip
    api = await start(authentication=AuthenticationConfig(authentication_config=file))
    token = provider.token(email="jane@example.org", roles=["dev"], team="x", jti="id-1")
    user = await whoami(api, token)
    assert user["username"] == "jane@example.org"
    assert user["uid"] == "jane"
    assert user["groups"] == ["r-dev", "system:authenticated"]
    assert user["extra"] == {"authentication.kubernetes.io/credential-id": ["JTI=id-1"]}
    with pytest.raises(errors.Unauthorized):
        await whoami(api, provider.token(email="jane@example.org", email_verified=False, team="x"))


# -- webhook


async def test_a_webhook_reviews_tokens_and_its_answers_are_kept(
    start: Start, serve: Serve, outside: TestAuthority, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        review = (
            await request.json() if isinstance(request, web.Request) else yaml.safe_load(await request.text())
        )
        asked.append(review["spec"])
        user = {"username": "remote", "uid": "7", "groups": ["g"], "extra": {"k": ["v"]}}
        good = review["spec"]["token"] == "good"
        status = {"authenticated": True, "user": user} if good else {"authenticated": False}
        return web.json_response(
            {"kind": "TokenReview", "apiVersion": review["apiVersion"], "status": status}
        )

    config = kubeconfig(tmp_path / "webhook", await serve(answer), outside.ca)
    api = await start(authentication=AuthenticationConfig(token_webhook_config_file=config))
    for _ in range(2):
        user = await whoami(api, "good")
        assert user == {
            "username": "remote",
            "uid": "7",
            "groups": ["g", "system:authenticated"],
            "extra": {"k": ["v"]},
        }
    assert len(asked) == 1
    assert asked[0]["audiences"] == [api.config.service_account_issuer]
    with pytest.raises(errors.Unauthorized):
        await whoami(api, "bad")


# -- impersonation


async def review_as(api: ApiServerInProcess, user: str, **headers: str) -> tuple[int, dict[str, Any]]:
    tls = api.tls(api.authority.client(user, MASTERS if user == "admin" else ()))
    body = {"kind": "SelfSubjectReview", "apiVersion": "authentication.k8s.io/v1"}
    url = f"{api.url}{r.SELF_SUBJECT_REVIEWS.path(None)}"
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as http,
        http.post(url, json=body, headers=names) as answer,
    ):
        return answer.status, await answer.json()


async def test_somebody_is_impersonated_with_uid_and_extra(api_server: ApiServerInProcess) -> None:
    code, review = await review_as(api_server, "admin", Impersonate_User="jane", Impersonate_Group="dev",
                                   Impersonate_Uid="u-1", Impersonate_Extra_Scopes="view")  # fmt: skip
    assert code == 201
    assert review["status"]["userInfo"] == {
        "username": "jane", "uid": "u-1", "groups": ["dev", "system:authenticated"], "extra": {"scopes": ["view"]},
    }  # fmt: skip


async def test_every_part_of_an_impersonation_needs_its_permission(api_server: ApiServerInProcess) -> None:
    client = api_server.local_client()
    rules = [{"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users"], "resourceNames": ["jane"]}]
    role = {"kind": "ClusterRole", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "as-jane"},
            "rules": rules}  # fmt: skip
    binding = {"kind": "ClusterRoleBinding", "apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "as-jane"},
               "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "as-jane"},
               "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "joe"}]}  # fmt: skip
    await client.create(r.CLUSTER_ROLES, role)
    await client.create(r.CLUSTER_ROLE_BINDINGS, binding)
    code, review = await review_as(api_server, "joe", Impersonate_User="jane")
    assert (code, review["status"]["userInfo"]["username"]) == (201, "jane")
    for header, what in (
        ({"Impersonate_Uid": "u"}, 'resource "uids" in API group "authentication.k8s.io"'),
        ({"Impersonate_Group": "g"}, 'resource "groups" in API group ""'),
        (
            {"Impersonate_Extra_Scopes": "x"},
            'resource "userextras/scopes" in API group "authentication.k8s.io"',
        ),
    ):
        code, status = await review_as(api_server, "joe", Impersonate_User="jane", **header)
        assert code == 403
        assert f'User "joe" cannot impersonate {what} at the cluster scope' in status["message"]


async def test_unauthenticated_stays_unauthenticated(api_server: ApiServerInProcess) -> None:
    _, review = await review_as(
        api_server, "admin", Impersonate_User="x", Impersonate_Group="system:unauthenticated"
    )
    assert "error" not in review
    assert review.get("code") == 403, "nobody grants system:unauthenticated a SelfSubjectReview"


# -- service-account tokens


async def account(api: ApiServerInProcess, name: str = "robot") -> dict[str, Any]:
    body = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": name, "namespace": "default"}}
    return await api.local_client().create(r.SERVICE_ACCOUNTS, body)


async def token_for(api: ApiServerInProcess, name: str = "robot", **spec: Any) -> dict[str, Any]:
    body = {"kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "spec": spec}
    client = api.local_client()
    return await client.create(r.SERVICE_ACCOUNTS, body, "default", name=name, subresource="token")


async def review(api: ApiServerInProcess, token: str, *audiences: str) -> dict[str, Any]:
    spec = {"token": token, "audiences": list(audiences)}
    body = {"kind": "TokenReview", "apiVersion": "authentication.k8s.io/v1", "spec": spec}
    return dict((await api.local_client().create(r.TOKEN_REVIEWS, body))["status"])


@pytest.mark.conformance(
    "[sig-auth] ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview [Conformance]"
)
async def test_a_token_request_is_answered_and_the_token_reviewed(api_server: ApiServerInProcess) -> None:
    made = await account(api_server)
    answer = await token_for(api_server)
    token = answer["status"]["token"]
    assert token
    status = await review(api_server, token)
    assert status["authenticated"] is True
    assert "error" not in status
    assert status["user"]["username"] == "system:serviceaccount:default:robot"
    assert status["user"]["uid"] == made["metadata"]["uid"]
    assert status["audiences"] == [api_server.config.service_account_issuer]


async def test_a_token_of_a_pod_tells_of_its_node_and_ends_with_it(api_server: ApiServerInProcess) -> None:
    await account(api_server)
    client = api_server.local_client()
    node = await client.create(r.NODES, {"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}})
    pod = await client.create(
        r.PODS,
        {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "namespace": "default"},
         "spec": {"serviceAccountName": "robot", "nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}},
    )  # fmt: skip
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": pod["metadata"]["uid"]}
    token = (await token_for(api_server, boundObjectRef=reference))["status"]["token"]
    extra = (await review(api_server, token))["user"]["extra"]
    assert extra["authentication.kubernetes.io/pod-name"] == ["p"]
    assert extra["authentication.kubernetes.io/pod-uid"] == [pod["metadata"]["uid"]]
    assert extra["authentication.kubernetes.io/node-name"] == ["n1"]
    assert extra["authentication.kubernetes.io/node-uid"] == [node["metadata"]["uid"]]
    await client.delete(r.PODS, "p", "default", grace_period_seconds=0)
    assert "authenticated" not in await review(api_server, token)


async def test_audiences_that_a_token_lacks_do_not_accept_it(api_server: ApiServerInProcess) -> None:
    await account(api_server)
    token = (await token_for(api_server, audiences=["vault"]))["status"]["token"]
    assert (await review(api_server, token, "vault", "other"))["audiences"] == ["vault"]
    assert "authenticated" not in await review(api_server, token)
    with pytest.raises(errors.Unauthorized):
        await whoami(api_server, token)


async def test_mounted_tokens_last_longer_than_their_holders_are_told(api_server: ApiServerInProcess) -> None:
    await account(api_server)
    pod = await api_server.local_client().create(
        r.PODS,
        {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "namespace": "default"},
         "spec": {"serviceAccountName": "robot", "containers": [{"name": "c", "image": "i"}]}},
    )  # fmt: skip
    reference = {"kind": "Pod", "apiVersion": "v1", "name": "p", "uid": pod["metadata"]["uid"]}
    answer = await token_for(api_server, boundObjectRef=reference, expirationSeconds=3607)
    _, claims, _, _ = jwt.split(answer["status"]["token"])
    assert claims["exp"] - claims["iat"] == 365 * 24 * 3600
    assert claims["kubernetes.io"]["warnafter"] - claims["iat"] == 3607
    assert answer["spec"]["expirationSeconds"] == 3607


async def test_a_key_and_an_issuer_may_be_exchanged(start: Start, tmp_path: Path) -> None:
    before = await start()
    await account(before)
    old = (await token_for(before))["status"]["token"]
    former, backend = before.authority.account_key.read_bytes(), before.server._backend
    kept = tmp_path / "former.key"
    kept.write_bytes(former)
    after = ApiServerInProcess(
        tmp_path / "pki2", service_account_issuer="https://new", service_account_verification_keys=(kept,),
        accepted_issuers=(before.config.service_account_issuer,), backend=_Shared(backend),
    )  # fmt: skip
    async with after:
        assert (await whoami(after, old))["username"] == "system:serviceaccount:default:robot"
        new = (await token_for(after))["status"]["token"]
        assert jwt.split(new)[1]["iss"] == "https://new"
        assert len(after.server.services.tokens.key_set()["keys"]) == 2
    with pytest.raises(errors.Unauthorized):
        await whoami(before, new)


class _Shared:
    """A store that another server opens and closes."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None


@pytest.mark.conformance(
    "[sig-auth] ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer [Conformance]"
)
async def test_a_service_account_verifies_its_own_token_by_discovery(api_server: ApiServerInProcess) -> None:
    """Upstream does this in a pod; here the token's holder is this test."""
    from pinnace.apiserver.authn.jwk import check_signature, load_jwk

    await account(api_server)
    token = (await token_for(api_server))["status"]["token"]
    headers = {"Authorization": f"Bearer {token}"}
    connector = aiohttp.TCPConnector(ssl=api_server.tls())
    async with aiohttp.ClientSession(api_server.url, connector=connector) as http:
        async with http.get("/.well-known/openid-configuration", headers=headers) as answer:
            assert answer.content_type == "application/json"
            discovery = await answer.json()
        async with http.get("/openid/v1/jwks", headers=headers) as answer:
            assert answer.content_type == "application/jwk-set+json"
            keys = (await answer.json(content_type=None))["keys"]
        async with http.get("/openid/v1/jwks") as answer:
            assert answer.status == 403, "only service accounts, as long as nobody binds the role to others"
    header, claims, payload, signature = jwt.split(token)
    assert claims["iss"] == discovery["issuer"]
    assert discovery["response_types_supported"] == ["id_token"]
    assert discovery["jwks_uri"].endswith("/openid/v1/jwks")
    (jwk,) = [each for each in keys if each["kid"] == header["kid"]]
    key = load_jwk(jwk)
    assert key is not None
    check_signature(key, header["alg"], payload, signature)


async def test_a_legacy_token_lives_as_long_as_its_secret(api_server: ApiServerInProcess) -> None:
    from pinnace.component.clock import RealClock
    from pinnace.controllers.catalog import ControllersConfig
    from pinnace.controllers.controllers import Controllers
    from pinnace.testing.wait import eventually

    await account(api_server)
    client = api_server.local_client()
    settings = ControllersConfig(
        ("serviceaccount-token",),
        root_ca="PEM",
        issue_account_token=api_server.server.services.tokens.issue_legacy,
    )
    running = asyncio.create_task(Controllers(client, RealClock(), settings).run())
    try:
        annotations = {"kubernetes.io/service-account.name": "robot"}
        await client.create(
            r.SECRETS,
            {"kind": "Secret", "apiVersion": "v1", "type": "kubernetes.io/service-account-token",
             "metadata": {"name": "t", "namespace": "default", "annotations": annotations}},
        )  # fmt: skip

        async def filled() -> dict[str, Any]:
            data: dict[str, Any] = (await client.get(r.SECRETS, "t", "default")).get("data") or {}
            assert {"token", "namespace", "ca.crt"} <= data.keys()
            return data

        data = await eventually(filled)
        token = base64.b64decode(data["token"]).decode()
        assert (await whoami(api_server, token))["username"] == "system:serviceaccount:default:robot"
        await client.delete(r.SERVICE_ACCOUNTS, "robot", "default")

        async def gone() -> bool:
            return not (await client.list(r.SECRETS, "default"))["items"]

        await eventually(gone)
        with pytest.raises(errors.Unauthorized):
            await whoami(api_server, token)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
