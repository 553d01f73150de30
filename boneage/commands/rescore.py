"""The champion on the challenger's validation images, where it had been validated on others: the gate asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from boneage.commands.common import stage
from boneage.config import Config
from boneage.errors import BoneageError

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from mlflow import MlflowClient

    from boneage.registry.versions import VersionInfo


def rescorer(client: MlflowClient, config: Config) -> Callable[[VersionInfo, pd.DataFrame], pd.DataFrame]:
    """Return what estimates the rows of a validation table with a registered version.

    The images come from the configuration's training sources (validation images are part of them) and are known by the
    hash of their pixels, so that a wrong data folder is an error and not a wrong comparison.
    """

    def rescore(version: VersionInfo, wanted: pd.DataFrame) -> pd.DataFrame:
        from boneage.data.annotations import load_training, read_row
        from boneage.data.flags import pixels_sha256
        from boneage.registry.register import load_cascade
        from boneage.study.materials import resolve_sources

        table = load_training(resolve_sources(config, stage).data).table.set_index("id")
        missing = [name for name in wanted["id"] if name not in table.index]
        if missing:
            raise BoneageError(f"{len(missing)} of {len(wanted)} validation images are not here, as {missing[0]}")
        cascade, progress = load_cascade(version.uri, client), stage(f"estimate with version {version.version}")
        months = []
        for done, row in enumerate(wanted.to_dict("records"), start=1):
            pixels = read_row(table.loc[row["id"]])
            if pixels_sha256(pixels) != row["content_sha256"]:
                raise BoneageError(f"image {row['id']} of this data is not the one that was validated on")
            # Versions are compared on all images, whatever the gate says of them.
            months.append(cascade.estimate(pixels, str(row["sex"]), anyway=True).bone_age_months)
            progress(done, len(wanted))
        return wanted.assign(bone_age_months=months)

    return rescore
