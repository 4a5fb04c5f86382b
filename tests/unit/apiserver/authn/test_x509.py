from pinnace.apiserver.authn.x509 import peer_certificate


def test_the_subject_is_a_user_with_groups_and_a_uid() -> None:
    subject = (
        (("organizationName", "dev"),), (("organizationName", "ops"),), (("commonName", "jane"),),
        (("1.3.6.1.4.1.57683.2", "u-1"),),
    )  # fmt: skip
    found = peer_certificate({"subject": subject})
    assert found is not None
    assert (found.common_name, found.organizations, found.uid) == ("jane", ("dev", "ops"), "u-1")


def test_a_certificate_without_a_common_name_is_nobody() -> None:
    assert peer_certificate({"subject": ((("organizationName", "dev"),),)}) is None
    assert peer_certificate({}) is None
