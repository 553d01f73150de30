"""Every way into the program as one function each: a request in, the same answer out."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from boneage.cascade.cascade import Cascade
from boneage.errors import BoneageError
from boneage.ui.batch.estimate import Common, Item, Wish, estimate_all
from boneage.ui.estimate.case import Refusal, make_shown, read_request
from boneage.ui.service import ModelService
from tests.conformance.films import Asked


@dataclass(frozen=True)
class Said:
    """An answer: months with their bounds and warnings, or the sentence of a refusal or an error.

    The film's name is taken out of the sentences: doors call it by its path, its name, or not at all.
    """

    months: tuple[float | None, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Behind:
    """What the doors lead to: one cascade, the page's service, and a client of the page that is up."""

    cascade: Cascade
    service: ModelService
    client: Client
    folder: Path

    def file(self, asked: Asked) -> str:
        """Write a request's film and return its path."""
        path = self.folder / asked.name
        path.write_bytes(asked.content)
        return str(path)


def by_python(behind: Behind, asked: Asked) -> Said:
    """`Cascade.estimate`."""
    try:
        made = behind.cascade.estimate(
            behind.file(asked), asked.sex, asked.age_range, chronological_months=asked.chronological_months
        )
    except BoneageError as error:
        return _refused(asked, behind, error)
    return _said(made.to_json())


def by_command(behind: Behind, asked: Asked) -> Said:
    """`boneage predict --format json`."""
    from boneage.cli import main

    given = ["predict", behind.file(asked), "--sex", asked.sex, "--format", "json"]
    given += ["--range", asked.age_range] if asked.age_range else []
    if asked.chronological_months is not None:
        given += ["--chronological", str(asked.chronological_months)]
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr("boneage.commands.predict.open_cascade", lambda uri: behind.cascade)
        try:
            status = main(given)
        except SystemExit as stopped:  # argparse refuses words that are none of its choices
            status = int(str(stopped.code))
    if status == 2:
        return Said(error=_nameless(err.getvalue(), asked, behind))
    record = json.loads(out.getvalue())
    assert status == int("error" in record)
    return Said(error=_nameless(record["error"], asked, behind)) if "error" in record else _said(record)


def by_page(behind: Behind, asked: Asked) -> Said:
    """The estimate tab."""
    try:
        request = read_request(behind.file(asked), asked.sex, asked.age_range, asked.chronological_months, "en")
        shown = make_shown(behind.service, request, "en", lambda share, words: None)
    except BoneageError as error:
        return _refused(asked, behind, error)
    return Said(error="; ".join(shown.reasons)) if isinstance(shown, Refusal) else _said(shown.to_json())


def by_api(behind: Behind, asked: Asked) -> Said:
    """`/predict` through `gradio_client`."""
    given: dict[str, Any] = {"file": handle_file(behind.file(asked)), "sex": asked.sex, "age_range": asked.age_range}
    given |= {"chronological_months": asked.chronological_months, "api_name": "/predict"}
    try:
        return _said(behind.client.predict(**given))
    except AppError as error:
        return Said(error=_nameless(str(error), asked, behind))


def by_served_model(behind: Behind, asked: Asked) -> Said:
    """The registered model's rows."""
    from mlflow.exceptions import MlflowException

    from boneage.registry.serving import estimate_rows

    row = {"image": asked.content, "sex": asked.sex, "age_range": asked.age_range}
    row["chronological_months"] = asked.chronological_months
    try:
        answer = estimate_rows(behind.cascade, pd.DataFrame([row], dtype=object)).to_dict("records")[0]
    except MlflowException as error:
        return Said(error=_nameless(str(error), asked, behind))
    return Said(error=_nameless(answer["error"], asked, behind)) if answer.get("error") else _said(answer)


def by_batch(behind: Behind, asked: Asked) -> Said:
    """One file of the batch tab."""
    return batch(behind, [asked])[0]


def batch(behind: Behind, many: Sequence[Asked]) -> list[Said]:
    """Several files of the batch tab, each answered in its row."""
    items = [Item(behind.file(asked), asked.name) for asked in many]
    wishes = {Path(asked.name).stem: Wish(None, asked.age_range) for asked in many}
    rows = list(estimate_all(behind.service, items, wishes, Common.read("", many[0].sex, ""), "en"))
    assert [row["image"] for row in rows] == [asked.name for asked in many]
    return [
        Said(error=_nameless(str(row["error"]), asked, behind))
        if row.get("error")
        else _said({**row, "warnings": [word for word in str(row["warnings"]).split("; ") if word]})
        for row, asked in zip(rows, many, strict=True)
    ]


DOORS: dict[str, Callable[[Behind, Asked], Said]] = {
    "command": by_command,
    "page": by_page,
    "api": by_api,
    "served model": by_served_model,
    "batch": by_batch,
}


def _said(answer: dict[str, Any]) -> Said:
    months = tuple(answer[name] for name in ("bone_age_months", "low_months", "high_months", "hard_months"))
    # Tables join warnings by "; ", which some contain themselves.
    return Said(months, tuple(sorted(part for said in answer["warnings"] for part in str(said).lower().split("; "))))


def _refused(asked: Asked, behind: Behind, error: BoneageError) -> Said:
    return Said(error=_nameless(str(error), asked, behind))


def _nameless(sentence: str, asked: Asked, behind: Behind) -> str:
    for name in (str(behind.folder / asked.name), asked.name, "the image", "The image"):
        sentence = sentence.replace(name, "FILM")
    return sentence
