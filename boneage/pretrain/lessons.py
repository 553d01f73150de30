"""Train the shipped backbone by distillation: four teachers, two pupils of theirs, one pupil that goes on from both.

Each lesson is one training (`boneage.pretrain.gpu`). A lesson that is finished is a file in the output folder, one that
was interrupted has a checkpoint there; a second call goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from boneage.pretrain import export, gpu, pack, study
from boneage.pretrain.figures import age_figures
from boneage.pretrain.gpu import Films, GpuRecipe, GpuTrainer, Progress
from boneage.pretrain.loader import plain_batches
from boneage.pretrain.torchnet import EndToEnd, NetShape, months
from boneage.shipped import write_record

_TEACHER = GpuRecipe(shape=NetShape(drop_path=0.1), epochs=120)
_PUPIL = GpuRecipe(epochs=220, stopped_after=105, strong=True, taught=0.8)


@dataclass(frozen=True)
class Lesson:
    """One training: its recipe, the lessons that teach it, and the one whose weights it begins with ("" for none)."""

    recipe: GpuRecipe
    teachers: tuple[str, ...] = ()
    begins: str = ""


LESSONS: dict[str, Lesson] = {
    "teacher-1": Lesson(replace(_TEACHER, seed=1)),
    "teacher-2": Lesson(replace(_TEACHER, seed=2, strong=True)),
    "teacher-3": Lesson(replace(_TEACHER, seed=3, strong=True)),
    "teacher-4": Lesson(replace(_TEACHER, seed=4, spread=9.0)),
    "pupil-1": Lesson(replace(_PUPIL, seed=22), ("teacher-1", "teacher-2", "teacher-3", "teacher-4")),
    "pupil-2": Lesson(replace(_PUPIL, seed=23, mixed=0.5), ("teacher-1", "teacher-2", "teacher-3", "teacher-4")),
    "handnet": Lesson(
        GpuRecipe(epochs=60, stopped_after=40, rate=8e-4, strong=True, taught=0.6, seed=31),
        ("pupil-1", "pupil-2"),
        "pupil-1",
    ),
}
"""The last one ships. Two of the lessons end before their learning rate does: the lent GPU's time had run out."""
REHEARSED_EVERY = 10
"""A rehearsal trains on every tenth child."""

Figures = Callable[[EndToEnd], dict[str, dict[str, float]]]


def learn(films: Films, out: Path, lessons: Mapping[str, Lesson] = LESSONS, *, progress: Progress) -> EndToEnd:
    """Go through the lessons, skipping those whose network lies in `out`; return the last one's network."""
    out.mkdir(parents=True, exist_ok=True)
    nets: dict[str, EndToEnd] = {}
    for name, lesson in lessons.items():
        path = out / f"{name}.net"
        if not path.is_file():
            trainer = GpuTrainer(lesson.recipe, films, [nets[teacher] for teacher in lesson.teachers])
            if lesson.begins:
                trainer.begin_with(nets[lesson.begins])
            torch.save(trainer.train(out / f"{name}.pt", progress).state_dict(), path.with_suffix(".part"))
            path.with_suffix(".part").replace(path)
        nets[name] = read_net(path, lesson.recipe.shape, films.device)
    return nets[name]


def rehearsal(lessons: Mapping[str, Lesson] = LESSONS) -> dict[str, Lesson]:
    """Return the same lessons of one pass each, to try the whole training in minutes; the network is of no use."""
    return {
        name: replace(lesson, recipe=replace(lesson.recipe, epochs=1, stopped_after=0))
        for name, lesson in lessons.items()
    }


def read_net(path: Path, shape: NetShape, device: torch.device) -> EndToEnd:
    """Read a finished lesson's network, for estimating."""
    net = EndToEnd(shape)
    net.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return net.to(device, memory_format=torch.channels_last).eval()


def ship(
    net: EndToEnd,
    out: Path,
    data: Mapping[str, Any],
    figures: Figures,
    made: str,
    lessons: Mapping[str, Lesson] = LESSONS,
) -> Path:
    """Write a network's weights as float16 (`handnet.npz`) and the training record with every figure.

    Args:
        net: The last lesson's network.
        out: The folder.
        data: What the record says of the data.
        figures: Measures a network on every set.
        made: On what machine it was trained, and for how long.
        lessons: What it went through.
    """
    path = out / "handnet.npz"
    net = net.to("cpu")
    export.save_weights(net, path)
    write_record(
        path,
        {
            "network": "handnet",
            "input": "prepared hand, uint8 0-255, shrunk to (side, side, 1); background 0",
            "output": "(side / 16, side / 16, features), 0 and above; its average is the pooled feature",
            "recipe": asdict(lessons["handnet"].recipe),
            "lessons": {name: asdict(lesson) for name, lesson in lessons.items()},
            "made": made,
            "data": dict(data),
            "figures": figures(net),
            "command": "python -m boneage.pretrain handnet DATA --out DIR",
        },
    )
    return path


def train_handnet(data: Path, out: Path, *, device: str, progress: Progress, rehearse: bool = False) -> Path:
    """Make the shipped backbone from a data folder, or from a pack on a machine that has only that.

    Args:
        data: The folder with the zips and tables, or a folder that `python -m boneage.pretrain pack` wrote.
        out: Where films, lessons, weights and record go; a second call goes on.
        device: PyTorch's device, `cuda` or `cpu`.
        progress: Called with a line of text after each epoch.
        rehearse: Go the whole way with one pass a lesson over a tenth of the children, into `out/rehearsal`.

    Returns:
        The weights' path. On a data folder the record's figures are measured on the prepared films, as served; on a
        pack, on the packed ones.
    """
    packed = (data / pack.TABLE).is_file()
    whole = pack.read_pack(data if packed else pack.pack_study(data, out, progress))
    films = Films(whole.thinned(REHEARSED_EVERY) if rehearse else whole, torch.device(device))
    lessons, folder = (rehearsal(), out / "rehearsal") if rehearse else (LESSONS, out)
    net = learn(films, folder, lessons, progress=progress)
    made = f"PyTorch {torch.__version__} on {torch.cuda.get_device_name() if device == 'cuda' else 'a CPU'}"

    def figures(shipped: EndToEnd) -> dict[str, dict[str, float]]:
        if packed:
            return {role: gpu.measured([shipped.to(device)], films, 128, role) for role in ("validation", "unseen")}
        return _measured_on_films(shipped, study.load_study(data, out / "cache", "equalize", progress))

    return ship(net, folder, films.pack.data, figures, made, lessons)


def _measured_on_films(net: EndToEnd, parts: study.Study) -> dict[str, dict[str, float]]:
    """Measure a network on prepared films, as served: the study's sets, and as many seen children as unseen ones."""
    drawn = np.random.default_rng(0).permutation(parts.train.ids)[: len(parts.unseen.ids)]
    found = {}
    for name, part in {**parts.measured(), "seen": parts.train.choose(drawn.tolist())}.items():
        with torch.no_grad():
            ages = [months(net(hands.float(), males)).numpy() for hands, _, males in plain_batches(part, 128, 64)]
        found[name] = age_figures(part.kids(), np.concatenate(ages).astype(np.float64))
    return found
