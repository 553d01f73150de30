"""A model card cut to what a store's text column takes: whole sections leave it, the least needed first."""

from __future__ import annotations

from boneage.registry.checklists import CHECKLISTS

_SECTION = "\n\n## "
# What a description leaves out first where the whole card is too long for the store.
_LEAVE_OUT = ("Beside the paper", "Stress test", "Figures on the set", "Method", "Data", CHECKLISTS)


def card_description(card: str, longest: int, whole: str) -> str:
    """Return a card that a store's text column takes: whole sections leave it, the least needed first.

    Args:
        card: the model card.
        longest: how many characters the column holds.
        whole: the file that holds the whole card, named at the end where something was left out.
    """
    if len(card) <= longest:
        return card
    head, *sections = card.split(_SECTION)
    sections = [_without_table(text) if text.startswith(CHECKLISTS) else text for text in sections]
    out = [f"the answers to {CHECKLISTS}"] if CHECKLISTS in card else []
    for heading in _LEAVE_OUT:
        text = _SECTION.join([head, *sections]).rstrip() + (_rest(out, whole) if out else "")
        if len(text) <= longest:
            return text
        out += [section.partition("\n")[0] for section in sections if section.startswith(heading)]
        sections = [section for section in sections if not section.startswith(heading)]
    tail = _rest(out or ["the rest"], whole)
    text = _SECTION.join([head, *sections]).rstrip()
    return text + tail if len(text + tail) <= longest else text[: longest - len(tail)].rsplit("\n", 1)[0] + tail


def _without_table(section: str) -> str:
    """Leave the table out of a section; the sentences around it stay."""
    return "\n\n".join(part for part in section.split("\n\n") if not part.startswith("|"))


def _rest(out: list[str], whole: str) -> str:
    return f"\n\nIn `{whole}` beside the model (`boneage registry show` prints it): {'; '.join(out)}.\n"
