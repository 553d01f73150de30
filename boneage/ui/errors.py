"""Show errors to visitors as sentences in their language; tracebacks go to the server's log."""

from __future__ import annotations

import logging
from types import TracebackType

import gradio as gr

from boneage.databases import disk_fault
from boneage.errors import BoneageError
from boneage.languages.texts import text
from boneage.notices import coded, say

log = logging.getLogger(__name__)


class PageError(BoneageError):
    """An error that the visitor can correct; its message is already in the visitor's language."""


def visible(message: str, language: str) -> gr.Error:
    """Return the error that Gradio shows to the visitor (and writes nowhere else)."""
    return gr.Error(message, title=text("error", language), duration=20, print_exception=False)


class Boundary:
    """Context manager that shows any error within as a sentence for the visitor.

    A `BoneageError` was written for users and is shown as it is. Anything else is a fault of ours: it goes to the
    server's log with its traceback, and the visitor reads a general sentence.
    """

    def __init__(self, language: str) -> None:
        self._language = language

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, BoneageError):
            raise visible(say(error.sentence, self._language), self._language) from error
        if isinstance(error, Exception) and not isinstance(error, gr.Error):
            known = disk_fault(error)
            if known is not None:
                log.error("%s (%s)", coded(known), error)
                raise visible(say(known, self._language), self._language) from error
            log.error("an unexpected error on the page: %s", coded(error), exc_info=error)
            raise visible(text("error_unexpected", self._language), self._language) from error


class Kept:
    """Context manager that logs any error within and goes on; `failed` tells whether there was one.

    Errors of the kind `passes` are not kept but raised as ever.
    """

    def __init__(self, doing: str, passes: type[Exception] | None = None) -> None:
        self._doing = doing
        self._passes = passes
        self.failed = False

    def __enter__(self) -> Kept:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception) or (self._passes and isinstance(error, self._passes)):
            return False
        self.failed = True
        known = disk_fault(error)
        # What is known needs no traceback.
        log.error("%s went wrong: %s", self._doing, coded(known or error), exc_info=None if known else error)
        return True
