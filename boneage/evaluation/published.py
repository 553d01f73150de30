"""List the published figures that ours are printed beside: the paper's and those it quotes."""

from __future__ import annotations

from dataclasses import dataclass

PAPER_SOURCE = "Malanga et al. 2024, 10.59681/2175-4411.v16.iEspecial.2024.1361"


@dataclass(frozen=True)
class Figure:
    """One published figure.

    Attributes:
        metric: our name of the metric (months, or a share of 0-1).
        value: the published value in the same unit.
        what: what it is and on which images; figures of different sets are not comparable.
        folds: mean and standard deviation over the folds, where published.
    """

    metric: str
    value: float
    what: str
    folds: tuple[float, float] | None = None


PAPER: tuple[Figure, ...] = (
    Figure("mae_months", 10.808, "paper, whole cascade, validation images (public)"),
    Figure("mae_months", 15.548, "paper, whole cascade, hospital test set"),
    Figure("accuracy_male", 0.814, "paper, classifier, final", (0.834, 0.034)),
    Figure("sensitivity_male", 0.796, "paper, classifier, final"),
    Figure("specificity_male", 0.910, "paper, classifier, final"),
    Figure("accuracy_female", 0.804, "paper, classifier, final", (0.822, 0.041)),
    Figure("sensitivity_female", 0.858, "paper, classifier, final"),
    Figure("specificity_female", 0.935, "paper, classifier, final"),
    Figure("expert_mae_months_male_1", 6.991, "paper, regressor on its own group", (5.289, 0.146)),
    Figure("expert_mae_months_male_2", 8.451, "paper, regressor on its own group", (7.739, 0.319)),
    Figure("expert_mae_months_male_3", 18.077, "paper, regressor on its own group", (16.567, 0.295)),
    Figure("expert_mae_months_male_4", 15.085, "paper, regressor on its own group", (9.504, 1.219)),
    Figure("expert_mae_months_female_1", 5.656, "paper, regressor on its own group", (3.604, 0.181)),
    Figure("expert_mae_months_female_2", 12.217, "paper, regressor on its own group", (10.346, 0.578)),
    Figure("expert_mae_months_female_3", 15.809, "paper, regressor on its own group", (11.517, 0.298)),
    Figure("expert_mae_months_female_4", 15.085, "paper, regressor on its own group", (11.423, 0.898)),
)
_UNSTATED = "; as the paper quotes it, set and truth not stated in our sources"
RIVALS: tuple[Figure, ...] = (
    Figure("mae_months", 7.699, "Zulkifley 2021, attention Xception" + _UNSTATED),
    Figure("within_24_months_male", 0.8138, "An 2017, ossification-centre mosaics" + _UNSTATED),
    Figure("within_24_months_female", 0.7817, "An 2017, ossification-centre mosaics" + _UNSTATED),
    Figure("within_12_months_male", 0.7554, "Lee 2017, segmented and fine-tuned CNN" + _UNSTATED),
    Figure("within_12_months_female", 0.7559, "Lee 2017, segmented and fine-tuned CNN" + _UNSTATED),
)
PUBLISHED: tuple[Figure, ...] = PAPER + RIVALS


@dataclass(frozen=True)
class System:
    """What another system publishes of itself.

    Attributes:
        system: its name.
        figure: the published figure, in months.
        images: on which images.
        truth: whose reading counts as the truth.
    """

    system: str
    figure: str
    images: str
    truth: str


_TEST = "RSNA 2017 test set, 200 images"
_SIX = "mean of six readers' readings"
_VALIDATION = "RSNA 2017 validation set, 1,425 images"
SYSTEMS: tuple[System, ...] = (
    System("Deeplasia", "MAE 3.87", _TEST, _SIX),
    System("ConvNeXtV2 3-fold (bone-age.app)", "MAE 4.16", _TEST, _SIX),
    System("16 Bit (challenge winner)", "MAE 4.265", _TEST, _SIX),
    System("BoneXpert v3 (commercial)", "RMSE 5.4", "not stated in our sources", "not stated in our sources"),
    System("BoNet / SIMBA", "MAE 5.47", "RHPE", "RHPE's own readers"),
    System("chronos-msk", "MAE 8.81", "RSNA 2017 validation", "the challenge's labels"),
    System("fine-tuned, sex-conditioned ConvNeXt-Tiny", "MAE 6.18", _VALIDATION, "the challenge's labels"),
)
METHODS: dict[str, str] = {
    "paper": "paper",
    "zulkifley2021": "Zulkifley 2021",
    "an2017": "An 2017",
    "lee2017": "Lee 2017",
}
"""Which paper a study is a recipe of, by the beginning of its name; `Figure.what` begins with the paper."""
AGES_MONTHS: dict[str, tuple[float, float]] = {"Lee 2017": (60.0, 228.0)}
"""The ages that a paper's method was made for, where these are not all."""


def paper_of(study: str) -> str:
    """Return the paper that a study is a recipe of; empty for a method of ours."""
    return next((paper for name, paper in METHODS.items() if study.startswith(name)), "")
