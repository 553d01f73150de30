"""Tell a monitoring system how the listener is: `/health` as JSON and `/metrics` for Prometheus, over HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from boneage.hospital.result import HospitalError

Numbers = Callable[[], Mapping[str, int]]


class Health:
    """Serves the state of a listener in a thread of its own; no patient data is in it.

    Args:
        host: the address it binds to.
        port: its port; 0 for any that is free.
        numbers: returns the counters and the lengths of the queues by name.
        alive: tells whether everything that should run does.
        facts: what stays the same, such as the model.

    Raises:
        HospitalError: when the address cannot be had.
    """

    def __init__(
        self, host: str, port: int, numbers: Numbers, alive: Callable[[], bool], facts: Mapping[str, str]
    ) -> None:
        self._numbers, self._alive, self._facts = numbers, alive, dict(facts)
        self._began = time.time()
        try:
            self._server = ThreadingHTTPServer((host, port), self._handler())
        except OSError as error:
            raise HospitalError.of(
                "listener.health_port", port=port, host=host, reason=error.strerror or error
            ) from error
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True, name="health").start()

    def stop(self) -> None:
        """End the service."""
        self._server.shutdown()
        self._server.server_close()

    def state(self) -> dict[str, Any]:
        """Return what `/health` says."""
        alive = self._alive()
        since = round(time.time() - self._began)
        return {"status": "ok" if alive else "failing", "seconds": since, **self._facts, **self._numbers()}

    def metrics(self) -> str:
        """Return what `/metrics` says, in Prometheus' text format."""
        numbers = {"up": int(self._alive()), **self._numbers()}
        return "".join(f"boneage_{name.replace('-', '_')} {value}\n" for name, value in numbers.items())

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # noqa: N802 - the name that the base class calls
                if self.path == "/health":
                    state = outer.state()
                    self._say(200 if state["status"] == "ok" else 503, json.dumps(state), "application/json")
                elif self.path == "/metrics":
                    self._say(200, outer.metrics(), "text/plain; version=0.0.4")
                else:
                    self._say(404, "there are /health and /metrics\n", "text/plain")

            def _say(self, status: int, body: str, kind: str) -> None:
                data = body.encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                """Stay silent: a monitoring system asks every few seconds."""

        return Handler
