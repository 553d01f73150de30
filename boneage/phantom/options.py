"""Set what may vary in a phantom: individual, reader's and radiographic variation."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class PhantomOptions:
    """Strengths of all variation; the defaults resemble the RSNA films, `PhantomOptions.plain()` has none.

    Attributes:
        size: height of the film in px; the width follows from `aspect`.
        aspect: lowest and highest width / height.
        individual_sd: spread of single centres around the child's skeletal age, as a fraction of the published spread
            (which is on chronological age and therefore wider).
        build_sd: spread of body size, proportions and flesh (1 = as in the population).
        label_noise_sd_months: spread of the reader's label around the true skeletal age, in months.
        pose: strength of the rotation, shift, finger spread, finger bend and scale (0 = none, 1 = as RSNA).
        exposure: strength of the variation of exposure, contrast and gamma.
        inverted_share: share of films with black bones on white.
        noise: strength of quantum noise.
        blur: strength of unsharpness.
        collimation_share: share of films with collimation borders, padding or tilted edges.
        marker_share: share of films with a side marker or text plate.
        grey_background_share: share of films with a mid-grey or bright background.
    """

    size: int = 512
    aspect: tuple[float, float] = (0.62, 0.96)
    individual_sd: float = 0.35
    build_sd: float = 1.0
    label_noise_sd_months: float = 4.0
    pose: float = 1.0
    exposure: float = 1.0
    inverted_share: float = 0.01
    noise: float = 1.0
    blur: float = 1.0
    collimation_share: float = 0.35
    marker_share: float = 0.95
    grey_background_share: float = 0.22

    def __post_init__(self) -> None:
        if self.size < 64:
            raise ValueError(f"a phantom's size must be at least 64 px, but {self.size!r} was given")
        if not 0.4 <= self.aspect[0] <= self.aspect[1] <= 2.0:
            raise ValueError(f"aspect must be two rising numbers within 0.4-2.0, but {self.aspect!r} was given")

    @classmethod
    def plain(cls, size: int = 512) -> PhantomOptions:
        """Return options without any accident or variation: the average hand on a clean film, label = age."""
        strengths = [field.name for field in fields(cls) if field.name not in ("size", "aspect")]
        return cls(size=size, aspect=(0.8, 0.8), **dict.fromkeys(strengths, 0.0))
