"""`boneage registry list` and `show`: what is registered, and everything that is known of one version."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from mlflow import MlflowClient

    from boneage.registry.versions import VersionInfo


def run_list(args: argparse.Namespace) -> int:
    """Print one line per version."""
    from boneage.evaluation.text import text_table
    from boneage.registry.register import list_versions
    from boneage.tracking.store import open_existing

    client = open_existing()
    names = [args.name] if args.name else _names(client, heads=args.all)
    rows = [_row(info) for name in names for info in list_versions(client, name)]
    if not rows:
        what = f"as {args.name}" if args.name else "yet"
        print(f"nothing is registered {what}: `boneage registry import --shipped` registers the cascade that ships")
        return 0
    print(text_table(pd.DataFrame(rows)))
    return 0


def run_show(args: argparse.Namespace) -> int:
    """Print a version's figures, heads, lineage, history and card."""
    from boneage.evaluation.text import figures_table, text_table
    from boneage.registry.lineage import heads_table, history, lineage, validation_metrics
    from boneage.registry.register import show
    from boneage.tracking.store import open_existing

    client = open_existing()
    info = show(client, args.name, args.version)
    aliases = ", ".join(info.aliases) or "no alias"
    print(f"{info.name} version {info.version} ({aliases}), {info.status}, {info.created}\nuri: {info.uri}")
    metrics = validation_metrics(client, info)
    figures = figures_table(metrics) if "images" in metrics else pd.DataFrame()
    heads = heads_table(client, info)
    sections = {
        "Figures on its validation images (months; shares of images)": text_table(figures) if len(figures) else "",
        "Heads": text_table(heads) if len(heads) else "",
        "Lineage": "\n".join(lineage(client, info)),
        "History": "\n".join(history(info)),
        "Card": full_card(client, info),
    }
    for heading, text in sections.items():
        if text:
            print(f"\n{heading}\n{text}")
    return 0


def run_history(args: argparse.Namespace) -> int:
    """Print a model's champions, a line each."""
    from boneage.registry.champions import tenure_lines
    from boneage.tracking.store import open_existing

    lines = list(tenure_lines(open_existing(), args.name))
    print("\n".join(lines) or f"no version of {args.name} was ever promoted: run `boneage registry promote`")
    return 0


def full_card(client: MlflowClient, info: VersionInfo) -> str:
    """Return the whole model card that lies beside a version; its description, which may be shorter, without one."""
    from boneage.errors import BoneageError
    from boneage.registry.packaging import CARD_FILE
    from boneage.registry.versions import version_folder

    try:
        file = version_folder(client, info) / CARD_FILE
        return file.read_text(encoding="utf-8") if file.is_file() else info.card
    except BoneageError as error:
        return f"{info.card}\n\n({error})"


def _names(client: MlflowClient, *, heads: bool) -> list[str]:
    """List the registered models: the cascades, or all."""
    from boneage.tracking.values import every_page

    found = every_page(lambda token: client.search_registered_models(page_token=token))
    return sorted(model.name for model in found if heads or model.name.endswith("-cascade"))


def _row(info: VersionInfo) -> dict[str, object]:
    return {
        "model": info.name,
        "version": info.version,
        "aliases": ", ".join(info.aliases),
        "status": info.status,
        "validation MAE": info.mae_months,
        "study": info.tags.get("study", ""),
        "created": info.created,
    }
