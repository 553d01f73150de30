"""What compressing the index of similar cases costs: are the five nearest still those of the whole features?

    python benchmarks/measure_similar.py configs/best.toml --set data.root=PATH [--films 600]

Queries are training films of the study (no validation film takes part); each is looked for among the others of its sex.
The reference is the cosine of the whole, standardised features. The mean difference in age between a film and its five
says whether the nearest are also alike to a reader.
"""

from __future__ import annotations

import argparse
from io import BytesIO
from pathlib import Path

import numpy as np

from boneage.cascade.case_index import DIMENSIONS, SHOWN, CaseIndex
from boneage.config import load_config
from boneage.learn.fit import Samples
from boneage.study.materials import gather

KEPT = (16, 32, DIMENSIONS, 64)
NEAR = 20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", type=Path)
    parser.add_argument("--set", dest="overrides", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--films", type=int, default=600)
    args = parser.parse_args()
    materials = gather(load_config(args.config, args.overrides))
    ids = materials.splits.train
    samples, sexes = materials.part.samples(ids), materials.part.table.loc[list(ids), "sex"].to_numpy()
    queries = np.sort(np.random.default_rng(0).permutation(len(ids))[: args.films])
    whole = standardised(samples.features)
    best = neighbours(whole, sexes, queries)
    size = whole.shape[1] * len(ids) * 2 / 1e6
    print(f"{len(queries)} queries, {len(ids)} cases, backbone {materials.backbone.sha256[:16]}")
    print("| stored as | size | same cases among the five nearest | within the twenty nearest | difference in age |")
    print("|---|---|---|---|---|")
    print(f"| {whole.shape[1]} features, float16 | {size:.1f} MB | | | {apart(best, queries, samples):.2f} months |")
    for kept in KEPT:
        index = CaseIndex.of(
            materials.backbone.sha256, ids, sexes.tolist(), samples.ages, samples.features, dimensions=kept
        )
        exact = (samples.features - index.mean) @ index.axes.astype(np.float32)
        told(
            f"{kept} components, bytes", megabytes(index), index.codes.astype(np.float32), best, queries, sexes, samples
        )
        if kept == DIMENSIONS:
            told(f"{kept} components, float16", exact.size * 2 / 1e6, exact, best, queries, sexes, samples)


def told(
    name: str,
    size: float,
    cases: np.ndarray,
    best: np.ndarray,
    queries: np.ndarray,
    sexes: np.ndarray,
    samples: Samples,
) -> None:
    """Print one row: how far the neighbours among compressed cases are those of the whole features."""
    found = neighbours(cases, sexes, queries)
    same = np.mean([len(set(a[:SHOWN]) & set(b[:SHOWN])) / SHOWN for a, b in zip(found, best, strict=True)])
    near = np.mean([len(set(a[:SHOWN]) & set(b)) / SHOWN for a, b in zip(found, best, strict=True)])
    print(f"| {name} | {size:.2f} MB | {same:.0%} | {near:.0%} | {apart(found, queries, samples):.2f} |", flush=True)


def standardised(features: np.ndarray) -> np.ndarray:
    """Return features float32 (N, D) with mean 0 and spread 1."""
    values = np.asarray(features, np.float32)
    return (values - values.mean(axis=0)) / (values.std(axis=0) + np.float32(1e-3))


def neighbours(cases: np.ndarray, sexes: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return the places (Q, NEAR) of the cases of a query's sex most like it by the cosine, itself left out."""
    unit = cases / (np.linalg.norm(cases, axis=1, keepdims=True) + 1e-9)
    likeness = unit[queries] @ unit.T
    likeness[sexes[queries][:, None] != sexes[None, :]] = -2
    likeness[np.arange(len(queries)), queries] = -2
    return np.argsort(likeness, axis=1)[:, ::-1][:, :NEAR]


def apart(found: np.ndarray, queries: np.ndarray, samples: Samples) -> float:
    """Return the mean absolute difference in months between a query's age and its five neighbours'."""
    return float(np.abs(samples.ages[found[:, :SHOWN]] - samples.ages[queries][:, None]).mean())


def megabytes(index: CaseIndex) -> float:
    """Return the size of an index as it is stored."""
    stream = BytesIO()
    np.savez_compressed(
        stream, codes=index.codes, axes=index.axes, ids=index.ids, ages=index.ages_months, mean=index.mean
    )
    return len(stream.getvalue()) / 1e6


if __name__ == "__main__":
    main()
