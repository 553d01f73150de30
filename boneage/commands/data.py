"""`boneage phantom`, `prepare` and `steps`: draw simulated films, prepare a study's, show how one is prepared."""

from __future__ import annotations

import argparse
from pathlib import Path

from boneage import stopping
from boneage.audit.labels import problem_counts
from boneage.commands.common import UsageError, add_config, add_overrides, complain, import_keras_quietly, stage
from boneage.config import apply_overrides, from_mapping, load_config
from boneage.data.images import read_radiograph
from boneage.notices import warning
from boneage.phantom.dataset import write_dataset
from boneage.preprocess.background import NONE, mask_session
from boneage.preprocess.field import draw_field, exposed_fields, straighten
from boneage.preprocess.gallery import Gallery
from boneage.preprocess.preparer import Preparer
from boneage.preprocess.whole_hand import fields_around_hands
from boneage.study.materials import gather


def phantom_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage phantom`."""
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument("--count", type=int, default=100, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.set_defaults(run=run_phantom)


def prepare_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage prepare`."""
    add_config(parser)
    parser.add_argument("--ray", metavar="ADDRESS", default="", help="do it on a Ray cluster: local, auto or HOST:PORT")
    parser.set_defaults(run=run_prepare)


def steps_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage steps`."""
    parser.add_argument("image", metavar="IMAGE", help="any radiograph; archive.zip!member too")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="where the pictures are written")
    parser.add_argument("--config", metavar="CONFIG", help="whose [preprocess] is shown; by default the built-in one")
    parser.add_argument("--side", choices=("L", "R"), help="which hand it is, where the file does not say")
    add_overrides(parser)
    parser.set_defaults(run=run_steps)


def run_phantom(args: argparse.Namespace) -> int:
    """Draw the phantoms into a folder in the RSNA layout."""
    if args.count < 1 or args.seed < 0:
        raise UsageError.of("call.count_and_seed", count=args.count, seed=args.seed)
    write_dataset(args.out, args.count, args.seed, progress=stage("draw"))
    print(f"{args.count} simulated radiographs are in {args.out}; they are drawings, not patients")
    return 0


def run_prepare(args: argparse.Namespace) -> int:
    """Prepare every image of a study and push it through the backbone once."""
    config = load_config(args.config, args.overrides)
    with stopping.gracefully(complain):
        import_keras_quietly()
        materials = gather(config, stage, args.ray)
    print(f"{len(materials.part.table)} images are ready for training and validation")
    if materials.doubtful:
        print(f"{len(materials.doubtful)} of them have a doubtful mask, for example {next(iter(materials.doubtful))}")
    if materials.test is not None:
        print(f"{len(materials.test.table)} images are ready for testing")
    if not args.ray:
        print(f"{materials.backbone.passes} images passed the backbone just now; the others came from the cache")
    if len(materials.problems):
        complain(warning("data.rows_left_out", count=len(materials.problems), place=args.config))
        for kind, count in problem_counts(materials.problems).items():
            complain(f"  {count} x {kind}")
    return 0


def run_steps(args: argparse.Namespace) -> int:
    """Prepare one film and write each step, and all of them side by side."""
    if args.config:
        config = load_config(args.config, args.overrides)
    else:
        # The crop and padding of the shipped networks.
        config = from_mapping(apply_overrides({"preprocess": {"crop": True, "pad": True}}, args.overrides))
    radiograph = read_radiograph(args.image)
    gallery, film = Gallery(), radiograph.pixels
    fields = exposed_fields(film)
    if fields and config.preprocess.background != NONE:
        fields = fields_around_hands(fields, mask_session(config.preprocess.background)(film))
    if fields:
        gallery.show("field", draw_field(film, fields[0]))
        film = straighten(film, fields[0])
    prepared = Preparer(config.preprocess).prepare(film, args.side or radiograph.laterality, gallery.show)
    for path in gallery.write(args.out):
        print(path)
    if prepared.angle:
        print(f"turned by {prepared.angle:+.1f} degrees")
    for notice in (*radiograph.warnings, *prepared.warnings):
        complain(notice)
    return 0
