"""Servers of the tests' own on loopback, each with a state that its test can look at and change."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeVar


class HasAddress(Protocol):
    """A server's state, which says where it answers."""

    address: str


S = TypeVar("S", bound=HasAddress)


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass  # a client that gave up waiting closes the connection


@contextlib.contextmanager
def serving(handler: type[BaseHTTPRequestHandler], state: S, port: int = 0) -> Iterator[S]:
    """Serves on a port, a free one by default; handlers find ``state`` and a ``lock`` as their attributes."""
    known: dict[str, Any] = {"state": state, "lock": threading.Lock()}
    server = _Quiet(("127.0.0.1", port), type("Handler", (handler,), known))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
