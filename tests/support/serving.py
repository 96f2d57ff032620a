"""Real parts for tests: a loopback server in a thread, and waiting for what can be observed."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, socket
from typing import Any, TypeVar

import anyio
import uvicorn

T = TypeVar("T")


@contextmanager
def serving(app: Any, tls: tuple[Path, Path] | None = None, **settings: Any) -> Iterator[str]:
    """An ASGI application on a free loopback port; gives its address.

    Args:
        tls: a certificate of 127.0.0.1 and its key.
        settings: of uvicorn, in place of those here.
    """
    with socket(AF_INET, SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()  # who comes before the server is up waits
        cert, key = tls or (None, None)
        given = {"log_level": "error", "lifespan": "off", "access_log": False, **settings}
        config = uvicorn.Config(app, ssl_certfile=cert, ssl_keyfile=key, **given)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"{'https' if tls else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def handling(
    handler: type[BaseHTTPRequestHandler], server: type[ThreadingHTTPServer] = ThreadingHTTPServer
) -> Iterator[str]:
    """A handler that writes what no application can, on a free loopback port; gives its address."""
    running = server(("127.0.0.1", 0), handler)
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{running.server_port}"
    finally:
        running.shutdown()
        thread.join()
        running.server_close()


async def eventually(look: Callable[[], Awaitable[T]], *, within: float = 60) -> T:
    """The first truthy answer of ``look``; the test fails when there is none within so many seconds."""
    with anyio.fail_after(within):
        while not (found := await look()):
            await anyio.sleep(0.02)
        return found
