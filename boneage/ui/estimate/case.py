"""An estimate together with its film and request, as reports, saved cases and translations need it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from boneage.cascade.cascade import Cascade, Estimate
from boneage.cascade.estimate import MAX_CHRONOLOGICAL_MONTHS
from boneage.clinical.adult_height import AdultHeight, adult_height
from boneage.clinical.comparison import Comparison, compare
from boneage.clinical.sd_tables import SdTable
from boneage.data.flags import pixels_sha256
from boneage.data.images import read_radiograph
from boneage.data.radiograph import Radiograph
from boneage.errors import BoneageError
from boneage.explain.faithfulness import Deletion, Faithfulness, faithfulness
from boneage.explain.reasons import Reasons, reasons_of
from boneage.gate.gate import RefusedError
from boneage.groups import RANGE_LABELS, Sex
from boneage.hospital.drift import Seen, share_of
from boneage.hospital.result import hand_on_film
from boneage.languages.texts import text
from boneage.preprocess.field import Field
from boneage.preprocess.preparer import Prepared
from boneage.ui.errors import Kept, PageError
from boneage.ui.estimate.pictures import HEAT, Picture, encode_png, heat_picture, refused_pictures, step_pictures
from boneage.ui.service import Answer, ModelService

# Between the two models of an estimate side by side, in a model's URI.
BESIDE = "|"
# Ten films, each as many passes of the backbone as the cascade has views: as many regions as `boneage explain` tries,
# without its strewn tiles.
_DELETION = Deletion(strewn=False)
Step = Callable[[float, str], None]


@dataclass(frozen=True)
class Request:
    """A validated request for one estimate; `read_request` makes it.

    Attributes:
        source: the uploaded file, or a member of an uploaded archive (`archive.zip!member`).
        name: what the visitor called it.
        sex: the patient's sex.
        age_range: a range label, or None to let the classifier decide.
        chronological_months: age at the time of the radiograph in months, if given.
        uri: the model that shall answer; empty for the page's default, two joined by `BESIDE` for both side by side.
        anyway: estimate what the gate refuses, too.
        table: what a chronological age is compared with, if a z-score is wanted.
        height_cm: at the time of the film, if adult height is wanted.
        parents_cm: the father's and the mother's height, for the target height.
        hand: `left` or `right` where the visitor says which it is, or which of two is wanted.
        who: the visitor's login, for the audit log; empty without one.
    """

    source: str
    name: str
    sex: Sex
    age_range: str | None = None
    chronological_months: float | None = None
    uri: str = ""
    anyway: bool = False
    table: SdTable | None = None
    height_cm: float | None = None
    parents_cm: tuple[float, float] | None = None
    hand: str | None = None
    who: str = ""


@dataclass(frozen=True)
class Refusal:
    """An estimate that was withheld.

    Attributes:
        reasons: the gate's, in English.
        pictures: the film with its exposed field, and what the gate took for the hand, with the hand's axis.
    """

    reasons: tuple[str, ...]
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Case:
    """An estimate with its image.

    Attributes:
        estimate: the answer.
        name: the file's name as the visitor called it (shown to nobody else, never saved).
        png: the decoded pixels, encoded anew: no metadata of the upload survives.
        pictures: the steps for the screen.
        classified: what the classifier would have led to, also where a range was given.
        coverage: the nominal coverage of the interval, 0-1.
        chronological_months: as given.
        made: when, in UTC.
        answers: the models that took part, where the page looked them up.
        uri: the model that was asked, as in `Request`.
        beside: what another model says of the same film, where both were asked.
        prepared: what the heat map is made from; dropped once it is made.
        features: of the film, float32 (1, D), for the heat map as well.
        reasons: what each expert said, and the training cases most like the film.
        comparison: what the chosen table makes of the chronological age.
        faithfulness: how far the heat map can be believed on this film; known once it is made.
        height: the predicted adult height, where the present one was given.
        hand: the hand's mask over the film as a PNG, for results; empty where it has no such place.
        border: the exposed field on the film, where it has a border.
        key: from `case_key`; whoever saves a reading with the estimate names it.
    """

    estimate: Estimate
    name: str
    png: bytes
    pictures: tuple[Picture, ...]
    classified: Estimate
    coverage: float
    chronological_months: float | None = None
    made: datetime = field(default_factory=lambda: datetime.now(UTC))
    answers: tuple[Answer, ...] = ()
    uri: str = ""
    beside: Case | None = None
    prepared: Prepared | None = None
    features: np.ndarray | None = None
    reasons: Reasons | None = None
    comparison: Comparison | None = None
    faithfulness: Faithfulness | None = None
    height: AdultHeight | None = None
    hand: bytes = b""
    border: Field | None = None
    key: str = ""

    @property
    def contradicted(self) -> bool:
        """Tell whether the given range is another than the classifier's choice."""
        return self.estimate.age_range is not None and self.classified.group != self.estimate.group

    def to_json(self) -> dict[str, Any]:
        """Return the object that `boneage predict --format json` prints, and the estimate's key."""
        compared = self.comparison.to_json() if self.comparison else {}
        heights = self.height.to_json() if self.height else {}
        return {"image": self.name, **self.estimate.to_json(), **compared, **heights, "key": self.key}


def read_request(
    file: str | None, sex: str | None, age_range: str | None, chronological: float | None, language: str
) -> Request:
    """Check what came from the page or the API.

    Raises:
        PageError: when something is missing or cannot be, in the visitor's language.
    """
    if not file:
        raise PageError(text("error_file_needed", language))
    if not sex:
        raise PageError(text("error_sex_needed", language))
    try:
        known_sex = Sex.parse(sex)
    except ValueError as error:
        raise PageError(text("error_sex_wrong", language, given=repr(sex))) from error
    if age_range and age_range not in RANGE_LABELS:
        raise PageError(text("error_range_wrong", language, choices=", ".join(RANGE_LABELS), given=repr(age_range)))
    if chronological is not None and not (
        math.isfinite(chronological) and 0 <= chronological <= MAX_CHRONOLOGICAL_MONTHS
    ):
        raise PageError(text("error_chronological", language, given=f"{chronological:g}"))
    return Request(file, Path(file).name, known_sex, age_range or None, chronological)


def make_case(service: ModelService, request: Request, language: str, step: Step) -> Case:
    """Estimate one radiograph; `step(fraction, sentence)` hears of the progress.

    Raises:
        RefusedError: when the gate finds no usable hand and the request does not insist.
        BoneageError: when the file cannot be used or no model answers.
    """
    step(0.05, text("progress_read", language))
    radiograph = None
    try:
        # Named as the visitor named it: an error must not tell a folder of the server.
        radiograph = read_radiograph(request.source, name=request.name).of_hand(request.hand)
        made, seen = _case(service, radiograph, request, language, step)
    except BoneageError as error:
        service.log.failed(radiograph, error, request.who)
        raise
    service.log.answered(radiograph, seen, request.who)
    return made


def _case(
    service: ModelService, radiograph: Radiograph, request: Request, language: str, step: Step
) -> tuple[Case, Seen]:
    """Estimate a film that was read; return its case and what is counted of it."""
    step(0.2, text("progress_model", language))
    cascade = service.cascade(request.uri)
    with service.turn:
        step(0.35, text("progress_prepare", language))
        prepared = cascade.examine(
            radiograph, request.sex, anyway=request.anyway, chronological_months=request.chronological_months
        )
        step(0.6, text("progress_estimate", language))
        features = cascade.features(prepared)
    estimate, classified = _both(cascade, prepared, features, request)
    hand = hand_on_film(radiograph.pixels, prepared)
    case = Case(
        estimate=estimate,
        name=request.name,
        png=encode_png(radiograph.pixels),
        pictures=step_pictures(radiograph.pixels, prepared),
        classified=classified,
        coverage=cascade.config.cascade.coverage,
        chronological_months=request.chronological_months,
        # Whole films are not kept for as long as a visit lasts.
        uri=request.uri,
        prepared=replace(prepared, mask=np.ones((1, 1), bool), film=None),
        features=features,
        reasons=reasons_of(cascade, features, estimate),
        comparison=_compared(cascade, estimate, request),
        height=_height(cascade, estimate, request),
        hand=b"" if hand is None else encode_png(hand.astype(np.uint8)),
        border=prepared.field,
        key=case_key(radiograph.pixels, estimate, request),
    )
    film, noise = radiograph.pixels, cascade.noise_level(prepared)
    share = share_of(prepared.field, film)
    return case, Seen(max(film.shape), estimate, "", noise, request.chronological_months, share)


def case_key(pixels: np.ndarray, estimate: Estimate, request: Request) -> str:
    """Return the key of an estimate: sha256 of the film's pixels, the model's version and what was asked.

    Args:
        pixels: the decoded film, uint8 (H, W).
        estimate: the answer, which names its model and version.
        request: what was asked of it.
    """
    asked: tuple[object, ...] = (request.sex, request.age_range, request.chronological_months, request.anyway)
    asked += (request.hand,) if request.hand else ()
    parts = [pixels_sha256(pixels), estimate.model, str(estimate.version), *map(str, asked)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def make_shown(service: ModelService, request: Request, language: str, step: Step) -> Case | Refusal:
    """Estimate for the page: with the models that took part, both rivals where both were asked, or a refusal.

    Raises:
        BoneageError: when the file cannot be used or no model answers.
    """
    uri, _, other = request.uri.partition(BESIDE)
    try:
        case = make_case(service, replace(request, uri=uri), language, step)
        beside = make_case(service, replace(request, uri=other), language, step) if other else None
    except RefusedError as refused:
        verdict = refused.verdict
        film = read_radiograph(request.source, name=request.name).pixels
        return Refusal((*verdict.reasons, *verdict.notes), refused_pictures(film, verdict))
    return replace(_named(service, case), beside=beside and replace(_named(service, beside), prepared=None))


def explained(service: ModelService, case: Case) -> Case:
    """Return a case with the heat map among its pictures and how far to believe it; without what fails."""
    prepared = case.prepared
    if prepared is None:
        return case
    sex, age_range, heat = case.estimate.sex, case.estimate.age_range, None
    with Kept("drawing the heat map"):
        from boneage.explain.heatmaps import heat_map, overlay

        cascade = service.cascade(case.uri)
        with service.turn:
            heat = heat_map(cascade, prepared, sex, age_range, case.features)
        case = replace(case, pictures=(*case.pictures, heat_picture(overlay(prepared.image, heat))))
    if heat is not None and case.pictures[-1].key == HEAT:
        # A map whose faithfulness cannot be measured is still a map.
        with Kept("measuring the heat map's faithfulness"), service.turn:
            believed = faithfulness(cascade, prepared, sex, heat, age_range, _DELETION)
            case = replace(case, faithfulness=believed)
    return replace(case, prepared=None)


def _named(service: ModelService, case: Case) -> Case:
    """Return a case with the models that took part."""
    answers: tuple[Answer, ...] = ()
    with Kept("looking up the models of an estimate"):
        answers = service.catalogue.answered(service.cascade(case.uri), case.estimate)
    return replace(case, answers=answers)


def _compared(cascade: Cascade, estimate: Estimate, request: Request) -> Comparison | None:
    """Compare with the chronological age where a table was chosen."""
    if request.table is None or request.chronological_months is None:
        return None
    return compare(estimate, request.chronological_months, request.table, cascade.config.cascade.coverage)


def _height(cascade: Cascade, estimate: Estimate, request: Request) -> AdultHeight | None:
    """Predict adult height where the present one was given."""
    age, height = request.chronological_months, request.height_cm
    if age is None or height is None:
        return None
    return adult_height(estimate, age, height, cascade.config.cascade.coverage, request.parents_cm)


def _both(cascade: Cascade, prepared: Prepared, features: np.ndarray, request: Request) -> tuple[Estimate, Estimate]:
    """Return the estimate that was asked for and the one that the classifier would have led to: one backbone pass."""
    classified = cascade.estimate_prepared(prepared, request.sex, None, features)
    if request.age_range is None:
        return classified, classified
    return cascade.estimate_prepared(prepared, request.sex, request.age_range, features), classified
