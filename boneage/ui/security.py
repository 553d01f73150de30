"""Refuse requests that would leak uploads, and set headers that keep a visit private."""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_FILE = "/file="
# The page loads and asks nothing elsewhere; Gradio's own scripts are inline and build functions from text.
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' data: blob:; frame-ancestors 'self'; base-uri 'self'; "
    "form-action 'self'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)


class Guard:
    """ASGI middleware that serves no upload again and fetches no address for a visitor.

    Gradio serves every file of its cache to whoever knows its address, uploads too. The page never needs an upload
    again in the browser, so none is served, to nobody.

    Args:
        app: what is guarded.
        uploads: returns the paths of all uploads.
    """

    def __init__(self, app: ASGIApp, uploads: Callable[[], Container[str]]) -> None:
        self._app = app
        self._uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        _, asks_file, wanted = scope["path"].partition(_FILE)
        if asks_file and self._refused(wanted):
            from starlette.responses import PlainTextResponse

            await PlainTextResponse("not served", status_code=403)(scope, receive, send)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != b"cache-control"]
                private = [*kept, (b"cache-control", b"no-store")] if asks_file else message["headers"]
                message = {**message, "headers": [*private, *_HEADERS]}
            await send(message)

        await self._app(scope, receive, answer)

    def _refused(self, wanted: str) -> bool:
        return "://" in wanted or wanted.startswith("//") or str(Path(wanted).resolve()) in self._uploads()
