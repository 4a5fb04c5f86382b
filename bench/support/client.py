"""A client that costs little: JSON over one kept HTTPS connection, and a watch."""

import http.client
import json
import ssl
from urllib.parse import urlsplit


class Api:
    def __init__(self, cluster):
        self._context = ssl.create_default_context(cafile=str(cluster.ca))
        self._address = urlsplit(cluster.server)
        self._headers = {"Authorization": f"Bearer {cluster.token}"}
        self._connection = self._connect()

    def _connect(self):
        return http.client.HTTPSConnection(
            self._address.hostname, self._address.port, timeout=60, context=self._context
        )

    def open(self):
        """Connect now, so that the first request does not pay for it."""
        self._connection.connect()
        return self

    def request(self, method, path, body=None, content_type="application/json"):
        """The bytes of the answer; raises RuntimeError with them when the server refused."""
        headers = {**self._headers, "Content-Type": content_type}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        data = answer.read()
        if answer.status > 299:
            raise RuntimeError(f"{method} {path}: {answer.status} {data.decode()[:300]}")
        return data

    def get(self, path):
        return json.loads(self.request("GET", path))

    def create(self, path, obj):
        return json.loads(self.request("POST", path, json.dumps(obj)))

    def delete(self, path, **options):
        body = {"apiVersion": "v1", "kind": "DeleteOptions", **options}
        self.request("DELETE", path, json.dumps(body))

    def watch(self, path):
        """Events of a watch from now on, each as (type, object); the connection is the watch's own and open on return."""
        since = self.get(f"{path}?limit=1")["metadata"]["resourceVersion"]
        connection = self._connect()
        connection.request("GET", f"{path}?watch=1&resourceVersion={since}", headers=self._headers)
        answer = connection.getresponse()
        connection.sock.settimeout(None)  # nothing may happen for longer than a request may take

        def events():
            try:
                while line := answer.readline():
                    event = json.loads(line)
                    yield event["type"], event["object"]
            finally:
                connection.close()

        return events()
