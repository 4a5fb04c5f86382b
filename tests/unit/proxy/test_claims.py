"""Several Services that want one address."""

from pinnace.proxy.claims import Claims

ADDRESS, OTHER = ("service-ips", "203.0.113.7 . tcp . 80"), ("service-ips", "203.0.113.8 . tcp . 80")


def test_the_first_keeps_the_address_until_it_lets_go() -> None:
    claims: Claims[str] = Claims()
    claims.replace({"a": {ADDRESS: "goto external-a", OTHER: "goto external-a"}})
    claims.replace({"b": {ADDRESS: "goto external-b"}})
    assert claims.verdicts({ADDRESS}) == {ADDRESS: "goto external-a"}
    claims.replace({"a": {ADDRESS: "goto external-a2"}})
    assert claims.verdicts() == {ADDRESS: "goto external-a2"}
    assert claims.touched({"a": {}}) == {ADDRESS}
    claims.replace({"a": {}})
    assert claims.verdicts() == {ADDRESS: "goto external-b"}
    claims.replace({"b": {}})
    assert claims.verdicts() == {}


def test_nobody_takes_a_cluster_address_with_an_external_one() -> None:
    claims: Claims[str] = Claims()
    claims.replace({"thief": {ADDRESS: "goto external-thief"}})
    claims.replace({"owner": {ADDRESS: "goto service-owner"}})
    assert claims.verdicts() == {ADDRESS: "goto service-owner"}
