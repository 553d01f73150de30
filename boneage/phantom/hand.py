"""Draw simulated hand radiographs with known skeletal age, sex, mask and landmarks from anatomy.

>>> from boneage.groups import Sex
>>> phantom = draw(96.0, Sex.FEMALE, seed=1)
>>> phantom.image.shape[0], phantom.image.dtype.name, phantom.sex
(512, 'uint8', <Sex.FEMALE: 'female'>)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from boneage.groups import MAX_AGE_MONTHS, MIN_AGE_MONTHS, Sex
from boneage.phantom import anatomy
from boneage.phantom.bones import SOFT_PER_MM, Growth, tube_bones
from boneage.phantom.film import expose, finish, grain
from boneage.phantom.options import PhantomOptions
from boneage.phantom.pose import Skeleton, place_joints
from boneage.phantom.render import Image, View, bone_attenuation, draw_mask, soft_thickness
from boneage.phantom.soft_tissue import soft_tissue, thenar
from boneage.phantom.wrist import forearm_bones, small_bones, to_hand


@dataclass(frozen=True)
class Phantom:
    """One simulated left hand, fingers up, thumb on the right as on RSNA films.

    Attributes:
        image: radiograph, uint8 (H, W), H = options.size.
        mask: hand and forearm down to the film's edge, or to the collimator's where that is shut, bool (H, W).
        landmarks: name -> (x, y) in px: `wrist`, and per ray 1-5 `cmc`, `mcp`, `pip` (not 1), `dip` (`ip1`), `tip`.
        age_months: the reader's label, a whole number within 0-228.
        true_age_months: the skeletal age that was drawn.
        sex: the sex.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    landmarks: dict[str, tuple[float, float]]
    age_months: float
    true_age_months: float
    sex: Sex


def draw(age_months: float, sex: Sex, seed: int, options: PhantomOptions = PhantomOptions()) -> Phantom:  # noqa: B008
    """Draw one phantom; the same arguments give the same phantom on any machine.

    Args:
        age_months: skeletal age, 0-228.
        sex: the sex.
        seed: any whole number from 0 up.
        options: variation and accidents.

    Raises:
        ValueError: when the age is not within 0-228 months.
    """
    if not MIN_AGE_MONTHS <= age_months <= MAX_AGE_MONTHS:
        raise ValueError(f"age must be within 0-228 months, but {age_months!r} was given")
    body, posing, film_rng, reader = (np.random.Generator(np.random.PCG64([seed, stream])) for stream in range(4))
    skeleton = place_joints(age_months, sex, body, options.build_sd, options.pose)
    growth = Growth.of(age_months, sex, body, options.individual_sd, options.build_sd)
    view = _view(skeleton, age_months, sex, posing, options)
    plump = 1.0 + 0.28 * growth.childish + 0.06 * options.build_sd * float(body.standard_normal())
    mask = draw_mask(soft_tissue(skeleton, plump), view)
    pieces = [
        thenar(skeleton),
        *tube_bones(skeleton, growth),
        *small_bones(skeleton, growth),
        *forearm_bones(skeleton, growth),
    ]
    thickness = soft_thickness(mask, skeleton.unit * view.scale) * np.float32(skeleton.unit * SOFT_PER_MM)
    attenuation = _sum(thickness, bone_attenuation(pieces, view), body, view)
    image, seen = finish(expose(attenuation, film_rng, options), mask, film_rng, options)
    label = round(age_months + options.label_noise_sd_months * float(reader.standard_normal()))
    label = min(max(label, int(MIN_AGE_MONTHS)), int(MAX_AGE_MONTHS))
    return Phantom(image, mask & seen, _landmarks(skeleton, view), float(label), float(age_months), sex)


def _sum(soft: Image, bone: Image, rng: np.random.Generator, view: View) -> Image:
    """Add up the attenuation along the beam, with the texture of spongy bone and of flesh."""
    fine = grain(soft.shape, rng, 0.55 * view.scale * 0.45 + 0.45)
    soft *= 1 + np.float32(0.012) * fine
    return np.asarray(soft + bone * (1 + np.float32(0.07) * fine), dtype=np.float32)


def _view(skeleton: Skeleton, age_months: float, sex: Sex, rng: np.random.Generator, options: PhantomOptions) -> View:
    """Lay the hand onto the film: as large as on RSNA films of this age, turned and shifted a little."""
    draws, noise = rng.random(4), rng.standard_normal(4)
    height = options.size
    wide = options.aspect[0] + (options.aspect[1] - options.aspect[0]) * float(draws[0]) ** 1.5
    wild = 3.0 if draws[1] < 0.06 else 1.0
    turn = math.radians(min(max(options.pose * 7.0 * wild * float(noise[0]), -32.0), 32.0))
    points = np.array([point for joints in skeleton.joints.values() for point in joints] + [(0.0, skeleton.wrist_y)])
    flat = View(1.0, math.cos(turn), math.sin(turn), 0.0, 0.0, height, height).to_film(points)
    low, high = flat.min(axis=0), flat.max(axis=0)
    young = 1.0 - age_months / MAX_AGE_MONTHS
    share = anatomy.at_age("hand_share", age_months, sex) * (1 + options.pose * (0.1 + 0.04 * young) * float(noise[1]))
    share = min(max(share, 0.4), 0.88)
    scale = height * share / float(high[1] - low[1])
    margin = 0.16 * skeleton.unit
    width = max(round(height * wide), round(scale * float(high[0] - low[0] + 2.4 * margin)))
    room_x = width - scale * float(high[0] - low[0] + 2 * margin)
    x = scale * (margin - float(low[0])) + room_x * min(max(0.5 + options.pose * 0.16 * float(noise[2]), 0.0), 1.0)
    room_y = height * (1 - share) - scale * margin
    y = scale * (margin - float(low[1])) + max(room_y, 0.0) * min(
        max(0.42 + options.pose * 0.16 * float(noise[3]), 0.0), 1.0
    )
    return View(scale, math.cos(turn), math.sin(turn), x, y, height, width)


def _landmarks(skeleton: Skeleton, view: View) -> dict[str, tuple[float, float]]:
    named = {"wrist": (0.0, skeleton.wrist_y)}
    for ray, joints in skeleton.joints.items():
        names = ("cmc", "mcp", "ip", "tip") if ray == 1 else ("cmc", "mcp", "pip", "dip", "tip")
        named |= {f"{name}{ray}": point for name, point in zip(names, joints, strict=True)}
    radius, ulna = to_hand(np.array([[0.05, 0.0], [-0.33, 0.0]]), skeleton)
    named |= {"radius": (radius[0], radius[1]), "ulna": (ulna[0], ulna[1])}
    film = view.to_film(np.array(list(named.values())))
    return {name: (round(float(x), 3), round(float(y), 3)) for name, (x, y) in zip(named, film, strict=True)}
