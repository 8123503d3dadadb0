"""Drawing page that is served during a test."""

import contextlib
import threading
import time
from collections.abc import Iterator

import requests
import uvicorn

from veracity.page.server import Page, application


class Client:
    """Client of a page on this machine."""

    def __init__(self, address: str) -> None:
        self.address = address

    def get(self, path: str, **more: object) -> requests.Response:
        return requests.get(self.address + path, timeout=60, **more)

    def post(self, path: str, **more: object) -> requests.Response:
        return requests.post(self.address + path, timeout=60, **more)

    def put(self, path: str, **more: object) -> requests.Response:
        return requests.put(self.address + path, timeout=60, **more)


@contextlib.contextmanager
def serving(page: Page) -> Iterator[Client]:
    """Serve a page on a free port until it is no longer needed."""
    config = uvicorn.Config(application(page), host="127.0.0.1", port=0, log_level="warning")
    socket = config.bind_socket()
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
    thread.start()
    client = Client(f"http://127.0.0.1:{socket.getsockname()[1]}")
    while not (server.started and page.about({})["ready"]):
        assert thread.is_alive()
        time.sleep(0.05)
    try:
        yield client
    finally:
        server.should_exit = True
        thread.join(timeout=10)
