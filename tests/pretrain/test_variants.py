"""Each comparison changes one thing and never touches a validation child."""

import dataclasses
import json

import pytest


def test_every_variant_differs_from_the_base_in_one_thing(torch):
    from boneage.pretrain.variants import VARIANTS

    base = VARIANTS["base"]
    for name, variant in VARIANTS.items():
        changed = [
            field.name
            for part, own in ((base, variant), (base.recipe, variant.recipe))
            for field in dataclasses.fields(part)
            if field.name not in ("what", "recipe") and getattr(part, field.name) != getattr(own, field.name)
        ]
        assert len(changed) == (0 if name == "base" else 1), (name, changed)


def test_a_comparison_trains_measures_and_continues(torch, data, tmp_path, monkeypatch):
    from boneage.pretrain import sources, variants
    from boneage.pretrain.handnet import Cycle
    from boneage.pretrain.torchnet import NetShape

    pytest.importorskip("rembg")
    tiny = dataclasses.replace(
        variants.SMALL,
        side=32,
        batch=8,
        cycles=(Cycle(1, 1e-3),),
        shape=NetShape(widths=(4, 4, 8, 8), blocks=(0, 1, 1, 1), features=8, squeeze=2),
    )
    few = frozenset(sorted(sources.unseen_ids(sources.children(data), sources.validation_ids(data)), key=int)[:8])
    monkeypatch.setattr(variants.sources, "unseen_ids", lambda table, never: few)
    monkeypatch.setattr(variants, "CHILDREN", 16)
    monkeypatch.setattr(variants, "VARIANTS", {"base": variants.Variant("tiny", tiny)})
    lines = []
    path = variants.compare(data, tmp_path, progress=lines.append)
    found = json.loads(path.read_text())
    assert found["base"]["unseen_mae_months"] > 0 and len(found["base"]["losses"]) == 1
    listing = json.loads(next((tmp_path / "cache").glob("*/prepared-equalize.json")).read_text())
    prepared = {film[0] for film in listing["films"]}
    assert len(prepared) == 24 and not prepared & sources.validation_ids(data)
    changed = path.stat().st_mtime_ns
    variants.compare(data, tmp_path, progress=lines.append)
    assert path.stat().st_mtime_ns == changed and lines[-1].startswith("base:")
