"""TLS as a kubeconfig words it: whom to trust, the client's certificate. Only the given authority is loaded; a machine's bundle takes long."""

import contextlib
import os
import ssl
from collections.abc import Iterator

from pinnace.cli.errors import CliError
from pinnace.client.kubeconfig import Connection


def context(connection: Connection, certificate: str = "", key: str = "") -> ssl.SSLContext:
    """With a certificate of its own, or the connection's."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    certificate, key = certificate or connection.certificate, key or connection.key
    try:
        if connection.insecure:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        elif connection.ca:
            made.load_verify_locations(cadata=connection.ca)
        else:
            made.load_default_certs()
        if certificate:
            with _as_file(f"{certificate}\n{key}\n") as path:
                made.load_cert_chain(path)
    except (ssl.SSLError, ValueError) as error:
        from pinnace.cli.unreachable import unusable

        raise CliError(unusable(connection.ca, certificate, key, error)) from error
    return made


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
