from pathlib import Path
from typing import Any

import pytest
import yaml

from pinnace.apiserver.authn.configuration import read_file
from pinnace.apiserver.authn.oidc import Issuer, Refused, user_of
from pinnace.apiserver.config_files import ConfigFileError

URL = "https://issuer.example.org"


def issuer(tmp_path: Path, **entry: Any) -> Issuer:
    path = tmp_path / "authentication.yaml"
    body = {"issuer": {"url": URL, "audiences": ["a"]}, **entry}
    path.write_text(
        yaml.safe_dump(
            {
                "kind": "AuthenticationConfiguration",
                "apiVersion": "apiserver.config.k8s.io/v1",
                "jwt": [body],
            }
        )
    )
    (made,), _ = read_file(path)
    assert isinstance(made, Issuer)
    return made


def test_expressions_make_the_user(tmp_path: Path) -> None:
    made = issuer(
        tmp_path,
        claimMappings={
            "username": {"expression": "'oidc:' + claims.sub"},
            "groups": {"expression": "claims.roles.split(',')"},
            "uid": {"expression": "claims.id"},
            "extra": [
                {"key": "example.org/tenant", "valueExpression": "claims.tenant"},
                {"key": "example.org/none", "valueExpression": "''"},
            ],
        },
        claimValidationRules=[{"expression": "claims.hd == 'example.org'", "message": "hd must be ours"}],
        userValidationRules=[
            {"expression": "!user.username.startsWith('system:')", "message": "reserved"},
            {"expression": "user.groups.all(g, !g.startsWith('system:'))"},
        ],
    )
    claims = {"sub": "jane", "roles": "a,b", "id": "7", "tenant": "t", "hd": "example.org"}
    user = user_of(made, claims)
    assert (user.name, user.groups, user.uid) == ("oidc:jane", ("a", "b"), "7")
    assert user.extra == {"example.org/tenant": ("t",)}
    for change, why in (
        ({"hd": "other"}, "hd must be ours"),
        ({"roles": "system:masters"}, "user.groups.all"),
        ({"sub": 3}, "error evaluating"),
    ):
        with pytest.raises(Refused, match=why):
            user_of(made, {**claims, **change})
    with pytest.raises(Refused):
        user_of(made, {key: value for key, value in claims.items() if key != "hd"})


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"claimMappings": {"username": {"expression": "claims.sub +"}}}, "compilation failed"),
        ({"claimMappings": {"username": {"expression": "nothing"}}}, "undeclared reference"),
        (
            {"claimMappings": {"username": {"expression": "claims.sub", "claim": "sub"}}},
            "claim and prefix can't be set when expression is set",
        ),
        ({"claimMappings": {"username": {"claim": "sub"}}}, "username.prefix: Required value"),
        ({"claimMappings": {}}, "username: Required value: claim or expression is required"),
        (
            {"claimMappings": {"username": {"expression": "claims.email"}}},
            "claims.email_verified must be used",
        ),
        (
            {
                "claimMappings": {
                    "username": {"claim": "sub", "prefix": ""},
                    "extra": [{"key": "kubernetes.io/x", "valueExpression": "'a'"}],
                }
            },
            "are reserved",
        ),
        (
            {
                "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
                "userValidationRules": [{"expression": "user.name == 'x'"}],
            },
            "undefined field",
        ),
        (
            {
                "claimMappings": {"username": {"claim": "sub", "prefix": ""}},
                "userValidationRules": [{"expression": "user.username"}],
            },
            "must evaluate to bool",
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, entry: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigFileError) as refused:
        issuer(tmp_path, **entry)
    assert why in str(refused.value)
