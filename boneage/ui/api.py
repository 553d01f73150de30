"""The page's API: `/predict` and `/flag` for `gradio_client`, with named parameters and plain JSON.

>>> from gradio_client import Client, handle_file                                       # doctest: +SKIP
>>> client = Client("http://127.0.0.1:7860")                                            # doctest: +SKIP
>>> key = client.predict(handle_file("hand.png"), "female", api_name="/predict")["key"] # doctest: +SKIP
>>> client.predict(reader_age_months=110, consent=True, key=key, api_name="/flag")      # doctest: +SKIP
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from boneage.hospital.deidentify import preview
from boneage.languages.texts import DEFAULT_LANGUAGE
from boneage.ui.errors import Boundary
from boneage.ui.estimate.adult_height import read_heights
from boneage.ui.estimate.case import Case, explained, make_case, read_request
from boneage.ui.estimate.chronological import OWN_TABLE, chosen_table
from boneage.ui.estimate.events import MODEL_TURN
from boneage.ui.estimate.pictures import HEAT, decode_png, text_picture
from boneage.ui.flags.save import Reading, case_of_key, flag_case
from boneage.ui.page_services import PageServices

_PREDICT = (
    "Estimate the bone age of one radiograph. sex: female or male. age_range: 0-57, 58-114, 115-171, 172-228, or empty "
    "to let the classifier decide. chronological_months: optional. anyway: estimate films that the gate refuses, too. "
    "reasons: add what each expert said and the most similar training cases. table: brush-foundation or greulich-pyle, "
    "for a z-score of the chronological age; table_file: a CSV of your own instead (chronological_months, sex, "
    "sd_months). heat_map: add the heat map and how far it can be believed. hand: left or right, where it is "
    "known, or which of two is wanted. height_cm: with chronological_months, for adult height (Bayley-Pinneau); "
    "father_cm, mother_cm: for the target height beside it. Research use only."
)
_FLAG = (
    "Keep an estimate with the reader's own age; consent must be true. key: as /predict returned it, so that the "
    "reading cannot be saved with another film; without it the last call of this session must have succeeded. "
    "Where text is found on the film, nothing is saved but a preview returned; with text_seen it is blacked out and "
    "saved. texts is null where text was not looked for (extra deidentify)."
)
_ANYONE: Any = None


def add_api(services: PageServices) -> None:
    """Add the endpoints `/predict` and `/flag` to the page, behind hidden components."""
    with gr.Row(visible=False):
        _add_predict(services)
        _add_flag(services)


def _add_predict(services: PageServices) -> None:
    def predict(  # noqa: PLR0913 (its parameters are the API's)
        file: str | None,
        sex: str | None,
        age_range: str | None = None,
        chronological_months: float | None = None,
        anyway: bool = False,
        reasons: bool = False,
        table: str | None = None,
        table_file: str | None = None,
        heat_map: bool = False,
        hand: str | None = None,
        height_cm: float | None = None,
        father_cm: float | None = None,
        mother_cm: float | None = None,
        request: gr.Request = _ANYONE,
    ) -> dict[str, Any]:
        visit = request.session_hash
        number = services.recent.begin(visit)
        with Boundary(DEFAULT_LANGUAGE):
            wanted = read_request(file, sex, age_range, chronological_months, DEFAULT_LANGUAGE)
            # A file speaks for itself: only the page, whose file may be hidden, needs its name as well.
            name = table or (OWN_TABLE if table_file else None)
            opened = chosen_table(name, table_file, chronological_months, DEFAULT_LANGUAGE)
            wanted = replace(
                wanted,
                anyway=anyway is True,
                table=opened,
                hand=hand or None,
                who=request.username or "",
                **read_heights(height_cm, father_cm, mother_cm, chronological_months, DEFAULT_LANGUAGE),
            )
            made = make_case(services.service, wanted, DEFAULT_LANGUAGE, lambda share, words: None)
            said = made.reasons.to_json() if reasons is True and made.reasons else {}
            if heat_map is True:
                made = explained(services.service, made)
                said |= _heat(made)
            services.recent.keep(visit, number, made)
            return made.to_json() | said

    asked = [
        gr.File(label="file"),
        gr.Textbox(label="sex"),
        gr.Textbox(label="age_range"),
        gr.Number(value=None, label="chronological_months"),
        gr.Checkbox(value=False, label="anyway"),
        gr.Checkbox(value=False, label="reasons"),
        # New ones come last, with defaults: clients that leave them out, or count, go on working.
        gr.Textbox(label="table"),
        gr.File(value=None, label="table_file"),
        gr.Checkbox(value=False, label="heat_map"),
        gr.Textbox(label="hand"),
        *(gr.Number(value=None, label=label) for label in ("height_cm", "father_cm", "mother_cm")),
    ]
    answer = gr.JSON(label="estimate")
    gr.Button().click(predict, asked, answer, api_name="predict", api_description=_PREDICT, concurrency_id=MODEL_TURN)


def _add_flag(services: PageServices) -> None:
    def flag(
        reader_age_months: float | None = None,
        comment: str | None = None,
        consent: bool = False,
        key: str | None = None,
        text_seen: bool = False,
        request: gr.Request = _ANYONE,
    ) -> dict[str, Any]:
        with Boundary(DEFAULT_LANGUAGE):
            kept = case_of_key(services.recent, key or "", request.session_hash, DEFAULT_LANGUAGE)
            reading = Reading(reader_age_months, comment or "", consent, request.username or "")
            reading.check(DEFAULT_LANGUAGE)
            found = services.texts.of(kept)
            if found is not None and found.texts and text_seen is not True:
                picture = text_picture(preview(decode_png(kept.png), found))
                return {"saved": None, "texts": found.texts, "preview": picture.address, "key": kept.key}
            flagged = flag_case(services.flags, kept, reading, found, DEFAULT_LANGUAGE)
            place = {"saved": flagged.name, "folder": flagged.folder, "updated": flagged.updated}
            return {**place, "key": kept.key, "texts": flagged.texts}

    said = [
        gr.Number(value=None, label="reader_age_months"),
        gr.Textbox(label="comment"),
        gr.Checkbox(value=False, label="consent"),
        gr.Textbox(label="key"),
        gr.Checkbox(value=False, label="text_seen"),
    ]
    gr.Button().click(flag, said, gr.JSON(label="flagged"), api_name="flag", api_description=_FLAG)


def _heat(case: Case) -> dict[str, Any]:
    """Return the heat map as a data address and its faithfulness, as in `boneage explain`; empty what failed."""
    address = next((picture.address for picture in case.pictures if picture.key == HEAT), None)
    believed = {} if case.faithfulness is None else {"grad-cam": case.faithfulness.to_json()}
    return {"heat_map": address, "faithfulness": believed}
