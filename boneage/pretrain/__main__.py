"""Rebuild a shipped asset: `python -m boneage.pretrain {handmask,handnet,lite0,regions,ages,seen} DATA --out DIR`.

`lite0` begins with published ImageNet weights (`boneage weights fetch EfficientNetLite0`) and trains on one core for as
many minutes as it is given. `handnet` wants a GPU (half an hour on a large one); `pack` writes the prepared films for a
machine that has one but not the radiographs, where `handnet` takes the pack for DATA; with `--rehearse` it goes the
whole way in minutes on two cores, one pass a lesson over a tenth of the children.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from boneage.weights.fetch import obtain
from boneage.weights.table import WeightsError, find

NETWORKS = ("handmask", "handnet", "lite0", "regions", "ages", "seen", "pack")


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command and train; return the exit status."""
    options = _parser().parse_args(arguments)
    if options.network != "seen" and importlib.util.find_spec("torch") is None:
        print("training needs PyTorch: install the extra with `pip install boneage[pretrain]`", file=sys.stderr)
        return 2
    if options.network == "regions" and (options.outlines is None or not options.outlines.is_file()):
        print("regions are learnt from readers' outlines: give region_masks.zip with --outlines FILE", file=sys.stderr)
        return 2
    if options.network == "ages" and (options.begin is None or not options.begin.is_file()):
        print("regional ages begin with handlite0: give handlite0.pt of `lite0` with --begin FILE", file=sys.stderr)
        return 2
    packed = options.network == "handnet" and (options.data / "films.json").is_file()
    if not packed and not (options.data / "rsna_299px.zip").is_file():
        print(f"no rsna_299px.zip in {options.data}: give the folder with the radiographs' zips", file=sys.stderr)
        return 2
    try:
        path = _list_seen(options) if options.network == "seen" else _train(options)
    except WeightsError as error:
        print(error, file=sys.stderr)
        return 2
    if options.network == "pack":
        print(f"wrote {path}")
    elif options.rehearse:
        print(f"wrote {path} and {path.with_suffix('.json')}: a rehearsal, of no use as a backbone")
    else:
        print(f"wrote {path} and {path.with_suffix('.json')}; copy both to boneage/assets/ to ship them")
    return 0


def _train(options: argparse.Namespace) -> Path:
    import torch

    torch.set_num_threads(options.threads)
    if options.network == "handmask":
        from boneage.pretrain.handmask import train_handmask

        return train_handmask(options.data, options.out, progress=_say)
    if options.network == "lite0":
        from boneage.pretrain.lite import train_lite0

        imagenet = options.imagenet or obtain(find("EfficientNetLite0"))
        return train_lite0(options.data, options.out, imagenet, options.minutes, progress=_say)
    if options.network == "regions":
        from boneage.pretrain.regions import train_regions

        return train_regions(options.data, options.outlines, options.out, progress=_say)
    if options.network == "ages":
        from boneage.pretrain.ages import train_ages

        return train_ages(options.data, options.out, options.begin, options.minutes, progress=_say)
    if options.network == "pack":
        from boneage.pretrain.pack import pack_study

        return pack_study(options.data, options.out, _say)
    from boneage.pretrain.lessons import train_handnet

    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    return train_handnet(options.data, options.out, device=device, progress=_say, rehearse=options.rehearse)


def _list_seen(options: argparse.Namespace) -> Path:
    from boneage.pretrain.seen import write_seen

    return write_seen(options.data, options.out, progress=_say)


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m boneage.pretrain", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("network", choices=NETWORKS, help="the asset to rebuild, or `pack`")
    parser.add_argument(
        "data", type=Path, help="folder with rsna_299px.zip, rsna_1024px.zip and their tables, or a pack"
    )
    parser.add_argument("--out", type=Path, required=True, help="where weights, record, log and checkpoint go")
    parser.add_argument("--imagenet", type=Path, help="lite0: another file of ImageNet weights to begin with")
    parser.add_argument("--outlines", type=Path, help="regions: region_masks.zip, what readers outlined")
    parser.add_argument("--begin", type=Path, help="ages: the checkpoint handlite0.pt that it begins with")
    parser.add_argument("--minutes", type=float, default=120.0, help="lite0, ages: how long to train (default 120)")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="handnet: where (default: a GPU where there is one)")
    parser.add_argument(
        "--rehearse", action="store_true", help="handnet: the whole way in minutes, to see that it goes"
    )
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch (default 2)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
