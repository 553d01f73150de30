"""The cascade: one radiograph and a sex in, one estimate out. Everything that estimates calls this."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from boneage.cascade.calibration import Calibration
from boneage.cascade.case_index import CaseIndex, SimilarCase
from boneage.cascade.estimate import Estimate, EstimateError
from boneage.cascade.inputs import Source, contradictions, known_range, known_sex, read_source
from boneage.cascade.intervals import Intervals
from boneage.cascade.noise_guard import NoiseGuard, noise_level
from boneage.cascade.regional import Regional, disagreement, divide, joint_months
from boneage.cascade.routing import Head, Predictor, Routed, route
from boneage.cascade.stack import Stack
from boneage.config import Config
from boneage.data.radiograph import Radiograph
from boneage.errors import BoneageError
from boneage.gate.gate import Gate, RefusedError, Verdict
from boneage.groups import ALL_MODELS, ModelKey, Sex, group_from_label
from boneage.learn.all_ages import LOSSES
from boneage.learn.features import apply_view
from boneage.notices import code_of, codes_of, warning
from boneage.pipeline import in_order
from boneage.preprocess.preparer import Prepared, Preparer

if TYPE_CHECKING:
    from boneage.learn.frozen import FrozenBackbone
    from boneage.learn.graph_backbone import GraphBackbone

# Chosen, not fitted: films of which the gate is unsure are too few to calibrate on.
_UNSURE_WIDENING = 1.5
_UNSURE = frozenset({"gate.unsure", "gate.unsure_mask", "gate.unsure_cut"})

__all__ = ["Cascade", "Estimate", "Head", "Source", "contradictions"]


@dataclass
class Cascade:
    """Preparer, one frozen backbone and ten heads.

    Attributes:
        preparer: turns a film into the picture that the heads were trained on.
        backbone: the shared frozen network; one pass per estimate.
        heads: all ten.
        config: the study's configuration; `config.cascade.routing` decides how experts are chosen.
        card: figures and facts of the study, for example `training_median_months`.
        intervals: the prediction intervals, None when the study made none.
        model: the registered name, set by whoever loads it.
        version: the registered version.
        calibration: a site's correction of the routed age, None without one.
        stack: the head for all ages and its share in the age, None without one.
        noise: what warns of noisy films and widens their intervals, None without it.
        cases: the training cases among which similar ones are looked up, None without them.
        regional: what reads an age from each region of the hand, None without it.
        gate: what inspects films before they are estimated where `config.cascade.gate` asks for it; the one that ships
            with the package by default, opened at the first film.
    """

    preparer: Preparer
    backbone: FrozenBackbone | GraphBackbone
    heads: Mapping[ModelKey, Predictor]
    config: Config
    card: dict[str, Any] = field(default_factory=dict)
    intervals: Intervals | None = None
    model: str = ""
    version: str = ""
    calibration: Calibration | None = None
    stack: Stack | None = None
    noise: NoiseGuard | None = None
    cases: CaseIndex | None = None
    gate: Gate | None = None
    regional: Regional | None = None

    def __post_init__(self) -> None:
        missing = [key.name for key in ALL_MODELS if key not in self.heads]
        if missing:
            raise EstimateError.of("bundle.heads_missing", missing=", ".join(missing))

    @property
    def shared(self) -> bool:
        """Tell whether several threads may estimate with it at once."""
        return bool(getattr(self.backbone, "shared", False))

    def estimate(
        self,
        radiograph: Source,
        sex: Sex | str,
        age_range: str | None = None,
        *,
        anyway: bool = False,
        chronological_months: float | None = None,
    ) -> Estimate:
        """Estimate the bone age of one radiograph.

        Args:
            radiograph: a path (`archive.zip!member` too), a file's bytes, what `read_radiograph` made of it, or decoded
                pixels, uint8 (H, W).
            sex: the patient's sex.
            age_range: one of the four range labels such as `58-114`; it skips the classifier. None or empty: no range.
            anyway: estimate what the gate would refuse, too; its reasons then are warnings.
            chronological_months: the patient's age at acquisition, where it is known; it never changes the estimate,
                but a file that says another is a warning.

        Raises:
            RefusedError: when the gate finds no usable hand.
            BoneageError: when the image cannot be read, or sex or range is none of the known.
        """
        sex, age_range = known_sex(sex), known_range(age_range)
        prepared = self.examine(radiograph, sex, anyway=anyway, chronological_months=chronological_months)
        return self.estimate_prepared(prepared, sex, age_range)

    def estimate_many(
        self,
        radiographs: Iterable[Source],
        sexes: Sex | str | Iterable[Sex | str],
        age_ranges: str | None | Iterable[str | None] = None,
        *,
        anyway: bool = False,
    ) -> Iterator[Estimate | BoneageError]:
        """Estimate many radiographs, one answer for each in their order; a bad one never stops the others.

        Args:
            radiographs: each as `estimate` takes it; they are read in a pipeline over the cores, few at a time.
            sexes: one sex for all, or one for each.
            age_ranges: one range label or None for all, or one for each.
            anyway: estimate what the gate would refuse, too.

        Yields:
            The estimate, or the error that says why there is none.
        """

        def one(asked: tuple[Source, Sex | str, str | None]) -> Estimate | BoneageError:
            try:
                return self.estimate(*asked, anyway=anyway)
            except BoneageError as error:
                return error

        each_sex = repeat(sexes) if isinstance(sexes, str) else sexes
        each_range = repeat(age_ranges) if age_ranges is None or isinstance(age_ranges, str) else age_ranges
        rows = zip(radiographs, each_sex, each_range, strict=False)
        yield from (found for _, found in in_order(one, rows, None if self.shared else 1))

    def examine(
        self, radiograph: Source, sex: Sex | str, *, anyway: bool = False, chronological_months: float | None = None
    ) -> Prepared:
        """Prepare one radiograph with all that there is to say of it before the networks are asked; as `estimate`."""
        read = read_source(radiograph)
        prepared = self._prepared(read, anyway)
        said = contradictions(read, known_sex(sex), chronological_months)
        if self.config.cascade.gate:  # which mirrors a right hand, and says so
            said = [one for one in said if code_of(one) != "file.right_hand"]
        return replace(prepared, warnings=(*prepared.warnings, *said))

    def prepare(self, radiograph: Source, *, anyway: bool = False) -> Prepared:
        """Read one radiograph and prepare it for the backbone; the file's own warnings come with it.

        Raises:
            RefusedError: when the gate finds no usable hand, unless `anyway`.
        """
        return self._prepared(read_source(radiograph), anyway)

    def estimate_prepared(
        self, prepared: Prepared, sex: Sex | str, age_range: str | None = None, features: np.ndarray | None = None
    ) -> Estimate:
        """Estimate from a prepared image: one backbone pass per view, unless features come along, then the heads."""
        features = self.features(prepared) if features is None else features
        levels = [self.noise_level(prepared)]
        return self.estimate_features(features, [sex], [age_range], [prepared.warnings], levels)[0]

    def noise_level(self, prepared: Prepared) -> float | None:
        """Return the noise of a prepared film in grey levels; None where no guard asks for it."""
        return None if self.noise is None else noise_level(prepared.image, self.noise.side)

    def similar(self, features: np.ndarray, sex: Sex | str) -> list[SimilarCase]:
        """Return the training cases most like a film, by its features float32 (1, D); as many as the study wanted."""
        wanted = self.config.cascade.similar_cases
        if self.cases is None or wanted < 1:
            return []
        return self.cases.nearest(self.divided(features)[0], sex, wanted)

    def features(self, prepared: Prepared) -> np.ndarray:
        """Return the features of one prepared image, float32 (1, D), as `pooled`."""
        return self.pooled(prepared.image[None])

    def pooled(self, images: np.ndarray) -> np.ndarray:
        """Return the pooled features of prepared images uint8 (N, S, S), averaged over `config.cascade.views`.

        Returns:
            float32 (N, D); where regions are read, their ages stand in further columns (`divided`).
        """
        views = self.config.cascade.views
        views_of_each = self.backbone.pooled(np.stack([apply_view(image, view) for view in views for image in images]))
        features = np.asarray(views_of_each.reshape(len(views), len(images), -1).mean(axis=0))
        return features if self.regional is None else np.hstack([features, self.regional.networks.pooled(images)])

    def divided(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Divide features, as `pooled` gives them, into the backbone's own (N, D) and the columns of regional ages."""
        return (features, None) if self.regional is None else divide(features, self.backbone.features)

    def routed(self, features: np.ndarray, sexes: Sequence[Sex], given: Sequence[int | None] | None = None) -> Routed:
        """Route N images from their features as `pooled` gives them, the head for all ages included; not calibrated."""
        given, (pooled, columns) = given or [None] * len(sexes), self.divided(features)
        routed = route(self.heads, pooled, sexes, given, self.config.cascade.routing)
        return routed if self.stack is None else self.stack.apply(routed, pooled, sexes, joint_months(columns, sexes))

    def estimate_features(
        self,
        features: np.ndarray,
        sexes: Sequence[Sex | str],
        age_ranges: Sequence[str | None] | None = None,
        notes: Sequence[tuple[str, ...]] | None = None,
        levels: Sequence[float | None] | None = None,
    ) -> list[Estimate]:
        """Estimate from pooled features, without any pass of the backbone.

        Args:
            features: as `pooled` gives them.
            sexes: N sexes.
            age_ranges: N range labels or None; without it the classifier chooses everywhere.
            notes: N tuples of warnings that the preparation gave.
            levels: N times the film's noise in grey levels, None where it was not measured.
        """
        known = [known_sex(sex) for sex in sexes]
        ranges = [known_range(label) for label in age_ranges or [None] * len(known)]
        given = [None if label is None else group_from_label(label) for label in ranges]
        routed = self.routed(features, known, given)
        said = [(*(notes[i] if notes else ()), *routed.warnings[i]) for i in range(len(known))]
        made = [self._one(routed, i, known[i], ranges[i], said[i]) for i in range(len(known))]
        made = self._with_regions(made, features, known)
        return made if levels is None else [self._guarded(one, level) for one, level in zip(made, levels, strict=True)]

    def _with_regions(self, made: list[Estimate], features: np.ndarray, sexes: Sequence[Sex]) -> list[Estimate]:
        """Add each film's regional ages, and say where they disagree."""
        _, columns = self.divided(features)
        if self.regional is None or columns is None:
            return made
        return [
            replace(one, regional_ages=ages, warnings=(*one.warnings, *disagreement(ages)))
            for one, ages in zip(made, self.regional.ages(columns, sexes), strict=True)
        ]

    def _guarded(self, made: Estimate, level: float | None) -> Estimate:
        """Say where a film is noisy, and widen its interval."""
        if self.noise is None or level is None or not self.noise.noisy(level):
            return made
        surest = max(made.group_probabilities)
        factor = max(self.noise.widening, _doubt(made.warnings))
        low, high = self._bounds(Sex.parse(made.sex), made.bone_age_months, surest, factor)
        warnings = (*made.warnings, self.noise.warning(level, interval=low is not None))
        return replace(made, low_months=low, high_months=high, warnings=warnings)

    def _bounds(
        self, sex: Sex, age_months: float, surest: float, factor: float = 1.0
    ) -> tuple[float | None, float | None]:
        return self.intervals.bounds(sex, age_months, surest, factor) if self.intervals else (None, None)

    def _one(self, routed: Routed, i: int, sex: Sex, age_range: str | None, warnings: tuple[str, ...]) -> Estimate:
        age, hard = float(routed.ages[i]), float(routed.hard_ages[i])
        if self.calibration is not None:
            age, hard = self.calibration.apply(sex, age), self.calibration.apply(sex, hard)
        low, high = self._bounds(sex, age, float(routed.probabilities[i].max()), _doubt(warnings))
        one, two, three, four = (float(p) for p in routed.probabilities[i])
        return Estimate(
            sex=sex,
            age_range=age_range,
            bone_age_months=age,
            low_months=low,
            high_months=high,
            group=int(routed.groups[i]),
            group_probabilities=(one, two, three, four),
            routing=routed.names[i],
            # Groups that are parts of one head were never meant to be chosen between.
            hard_months=None if routed.names[i] == "given" or self.config.classifier.loss in LOSSES else hard,
            model=self.model,
            version=self.version,
            warnings=warnings,
        )

    def _prepared(self, radiograph: Radiograph, anyway: bool) -> Prepared:
        if not self.config.cascade.gate:
            prepared = self.preparer.prepare(radiograph.pixels, radiograph.laterality)
            return replace(prepared, warnings=(*radiograph.warnings, *prepared.warnings), film=radiograph.pixels)
        verdict = self._inspected(radiograph, anyway)
        said = (*(warning("gate.overridden", reason=reason) for reason in verdict.reasons), *verdict.notes)
        # The mask network is the dearest step of the preparation: where both ask the same one, once is enough.
        shared = (
            verdict.mask is not None and self.gate is not None and self.gate.masks_like(self.preparer.config.background)
        )
        # What passed the gate is a left hand already.
        prepared = self.preparer.prepare(verdict.film, soft=verdict.mask if shared else None)
        warnings = (*radiograph.warnings, *said, *prepared.warnings)
        return replace(prepared, warnings=warnings, film=verdict.film, field=verdict.field)

    def _inspected(self, radiograph: Radiograph, anyway: bool) -> Verdict:
        """Pass a film through the gate, which brings it into the pose that the networks know."""
        if self.gate is None:
            self.gate = Gate()
        verdict = self.gate.inspect(radiograph.pixels, radiograph.laterality)
        if not verdict.accepted and not anyway:
            raise RefusedError(verdict)
        return verdict


def _doubt(warnings: Sequence[str]) -> float:
    """Return by which factor an interval is widened where the gate was unsure of the film."""
    return _UNSURE_WIDENING if _UNSURE & set(codes_of(warnings)) else 1.0
