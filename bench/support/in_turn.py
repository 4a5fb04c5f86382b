"""Many requests over a few kept connections, in threads: for preparing and cleaning up, where nothing is measured."""

import itertools
import threading

from support.client import Api


def send(cluster, requests, connections=8):
    """`requests`: (method, path, body or None, content type)."""
    waiting, errors = iter(requests), []
    lock = threading.Lock()

    def work():
        api = Api(cluster).open()
        while True:
            with lock:
                request = next(waiting, None)
            if request is None:
                return
            try:
                api.request(*request)
            except RuntimeError as error:
                errors.append(error)

    threads = [threading.Thread(target=work) for _ in itertools.repeat(None, connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
