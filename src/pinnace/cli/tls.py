"""TLS as a kubeconfig words it: whom to trust, the client's certificate. Only the given authority is loaded; a machine's bundle takes long."""

import contextlib
import os
import ssl
from collections.abc import Iterator

from pinnace.cli.errors import CliError, PlainError
from pinnace.client.kubeconfig import Connection


def context(connection: Connection, certificate: str = "", key: str = "") -> ssl.SSLContext:
    """With a certificate of its own, or the connection's."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if connection.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif connection.ca:
        try:
            made.load_verify_locations(cadata=connection.ca)
        except ssl.SSLError:
            raise CliError(
                "unable to load root certificates: no valid certificate authority data seen"
            ) from None
    else:
        made.load_default_certs()
    if certificate := certificate or connection.certificate:
        with _as_file(f"{certificate}\n{key or connection.key}\n") as path:
            try:
                made.load_cert_chain(path)
            except ssl.SSLError as error:
                raise _unusable(error) from None
    return made


def _unusable(error: ssl.SSLError) -> CliError:
    if error.reason == "KEY_VALUES_MISMATCH":
        return PlainError("Unable to connect to the server: tls: private key does not match public key")
    return CliError("tls: failed to find any PEM data in certificate input")


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    """ssl reads key and certificate from files only: one in memory, where the system has such, so that no key touches a disk."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("pinnace")
        try:
            os.write(descriptor, text.encode())
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
        return

    import tempfile

    with tempfile.NamedTemporaryFile("w") as file:
        file.write(text)
        file.flush()
        yield file.name
