"""What boneage is built on: every installed distribution that it needs, with its version and licence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement

PERMISSIVE = re.compile(
    r"\b(MIT|BSD|Apache|ISC|PSF|Python Software Foundation|HPND|Zlib|Unlicense|CC0|Public Domain|0BSD|BlueOak)", re.I
)
NAMED = re.compile(r"\b(L?GPL|AGPL|MPL|Mozilla|EPL|CDDL|EUPL|Proprietary|NVIDIA)", re.I)
_CLASSIFIER = "License :: "


@dataclass(frozen=True)
class Dependency:
    """One installed distribution.

    Attributes:
        name: as its maker spells it.
        version: what is installed.
        licence: as its metadata says, SPDX where that is given.
        kind: `permissive`, `named` (other terms than a permissive licence's: read them) or `unknown`.
        page: its home page, if it names one.
    """

    name: str
    version: str
    licence: str
    kind: str
    page: str


def dependencies(extras: tuple[str, ...] = ()) -> list[Dependency]:
    """List every installed distribution that boneage needs, also by way of others, sorted by name.

    What training needs is listed too, as far as it is installed.

    Args:
        extras: others of boneage's own optional groups, such as `hospital`, likewise.
    """
    found: dict[str, Dependency] = {}
    waiting = [("boneage", extra) for extra in ("", "train", *extras)]
    seen = set(waiting)
    while waiting:
        name, extra = waiting.pop()
        try:
            there = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        if name != "boneage":
            found[name] = _described(there)
        for step in _needed(there, extra):
            if step not in seen:
                seen.add(step)
                waiting.append(step)
    return sorted(found.values(), key=lambda one: one.name.lower())


def licence_table(found: list[Dependency]) -> str:
    """Return the list as a Markdown page: first what is not permissive, then everything."""
    named = [one for one in found if one.kind != "permissive"]
    lines = [
        "# Licences of what boneage is built on",
        "",
        "Written by `boneage licences --out docs/licences.md` from the metadata of the installed distributions.",
        "boneage itself is Apache-2.0; the weights that ship carry their own terms (the `.json` beside each).",
        "",
        f"{len(found)} distributions, {len(found) - len(named)} under permissive licences (MIT, BSD, Apache, ISC, PSF",
        "and the like). The others, whose terms whoever passes boneage on should read:",
        "",
        *_rows(named),
        "",
        "## All",
        "",
        *_rows(found),
    ]
    return "\n".join(lines) + "\n"


def _rows(found: list[Dependency]) -> list[str]:
    if not found:
        return ["none"]
    return ["| distribution | version | licence | kind |", "|---|---|---|---|"] + [
        f"| {f'[{one.name}]({one.page})' if one.page else one.name} | {one.version} | {one.licence} | {one.kind} |"
        for one in found
    ]


def _needed(there: metadata.Distribution, extra: str) -> Iterator[tuple[str, str]]:
    """Yield the names that a distribution needs here, each with the extras that it asks for."""
    for text in there.requires or ():
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            continue
        if wanted.marker is None or wanted.marker.evaluate({"extra": extra}):
            name = re.sub(r"[-_.]+", "-", wanted.name).lower()
            yield from ((name, each) for each in ("", *wanted.extras))


def _described(there: metadata.Distribution) -> Dependency:
    meta = there.metadata
    licence = _licence(dict.fromkeys(meta), meta) or _licence_in_file(there)
    both = bool(re.search(r"\bOR\b", licence)) and bool(PERMISSIVE.search(licence))
    kind = "permissive" if PERMISSIVE.search(licence) and (both or not NAMED.search(licence)) else "unknown"
    if kind == "unknown" and NAMED.search(licence):
        kind = "named"
    pages = [
        *meta.get_all("Home-page", []),
        *(url.partition(",")[2].strip() for url in meta.get_all("Project-URL", [])),
    ]
    page = next((each for each in pages if each.startswith("http")), "")
    return Dependency(meta["Name"], there.version, licence or "not said", kind, page)


def _licence_in_file(there: metadata.Distribution) -> str:
    """Return the heading of a distribution's licence file, where its metadata name no licence."""
    for file in there.files or ():
        if re.match(r"(LICEN[CS]E|COPYING)", file.name, re.I):
            lines = (line.strip() for line in file.read_text(encoding="utf-8").splitlines())
            heading = next((line for line in lines if line), "")
            text = heading if PERMISSIVE.search(heading) or NAMED.search(heading) else ""
            return text or ("MIT License" if "Permission is hereby granted, free of charge" in file.read_text() else "")
    return ""


def _licence(names: Mapping[str, object], meta: metadata.PackageMetadata) -> str:
    """Return the SPDX expression, else the classifiers, else the first line of the free text."""
    if "License-Expression" in names:
        return str(meta["License-Expression"])
    said = [each.rpartition("::")[2].strip() for each in meta.get_all("Classifier", []) if each.startswith(_CLASSIFIER)]
    said = [each for each in said if each != "OSI Approved"]
    if said:
        return ", ".join(said)
    text = str(meta["License"]).strip() if "License" in names else ""
    return text.splitlines()[0][:80] if text else ""
