"""Components whose texts change with the selected language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr
from gradio.blocks import Block

from boneage.languages.texts import DEFAULT_LANGUAGE, text

_Component = TypeVar("_Component", bound=Block)
Words = Callable[[str], Any]


def say(key: str) -> Words:
    """Return a function from a language to one text."""
    return lambda language: text(key, language)


class Labels:
    """Every component that carries words, with how to say them."""

    def __init__(self) -> None:
        self._entries: list[tuple[Block, dict[str, Words]]] = []

    def made(self, kind: Callable[..., _Component], words: dict[str, str | Words], **settings: Any) -> _Component:
        """Make a component whose properties in `words` (text keys, or functions of the language) are translated."""
        known = {name: say(word) if isinstance(word, str) else word for name, word in words.items()}
        component = kind(**{name: word(DEFAULT_LANGUAGE) for name, word in known.items()}, **settings)
        self._entries.append((component, known))
        return component

    @property
    def components(self) -> list[Block]:
        """List the components, in the order of `updates`."""
        return [component for component, _ in self._entries]

    def updates(self, language: str) -> list[dict[str, Any]]:
        """Return one update per component."""
        return [gr.update(**{name: word(language) for name, word in words.items()}) for _, words in self._entries]
