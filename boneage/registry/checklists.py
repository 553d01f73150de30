"""Answer the items of TRIPOD+AI (2024) and CLAIM (2020) that a program can answer; list those that need people.

TRIPOD+AI: Collins et al., BMJ 2024;385:e078378 (27 items). CLAIM: Mongan et al., Radiol Artif Intell 2020;2:e200029
(42 items). Item numbers are theirs, the short names ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from boneage.cascade.cascade import Cascade
from boneage.registry.method_text import hyperparameters, members, stacked, views
from boneage.tracking.environment import code_tags, package_versions

TRIPOD, CLAIM = "TRIPOD+AI", "CLAIM"
CHECKLISTS = f"{TRIPOD} and {CLAIM}"
_TRIPOD_ITEMS = (
    "1", "2", "3a", "3b", "3c", "4", "5a", "5b", "6a", "6b", "6c", "7", "8a", "8b", "8c", "9a", "9b", "9c", "10", "11",
    "12a", "12b", "12c", "12d", "12e", "12f", "12g", "13", "14", "15", "16", "17", "18a", "18b", "18c", "18d", "18e",
    "18f", "19", "20a", "20b", "20c", "21", "22", "23a", "23b", "24", "25", "26", "27a", "27b", "27c",
)  # fmt: skip
_CLAIM_ITEMS = tuple(str(number) for number in range(1, 43))


@dataclass(frozen=True)
class Item:
    """One answered item: its numbers in both lists (comma-separated, empty where a list has none), answer and place."""

    tripod: str
    claim: str
    what: str
    answer: str
    where: str


def answered(cascade: Cascade, metrics: Mapping[str, float]) -> list[Item]:
    """Return the items that a cascade and its figures answer.

    Args:
        cascade: the cascade, its `card` holding the study's facts.
        metrics: its figures on the study's validation images; without figures the items about them are left out.
    """
    items = [*_of_use(cascade), *_of_data(cascade), *_of_model(cascade)]
    return [*items, *_of_figures(cascade.card, metrics)] if "images" in metrics else items


def checklist_table(items: list[Item]) -> pd.DataFrame:
    """Return the items as a table: TRIPOD+AI, CLAIM, item, answer, where."""
    return pd.DataFrame(
        [{TRIPOD: i.tripod, CLAIM: i.claim, "item": i.what, "answer": i.answer, "where": i.where} for i in items]
    )


def numbers(items: list[Item], *, known: bool) -> str:
    """List the item numbers of both lists that are answered, or those that people must answer in paper or protocol."""
    given = {
        TRIPOD: {number for item in items for number in item.tripod.split(", ")},
        CLAIM: {number for item in items for number in item.claim.split(", ")},
    }
    every = {TRIPOD: _TRIPOD_ITEMS, CLAIM: _CLAIM_ITEMS}
    return "; ".join(
        f"{name} {', '.join(number for number in every[name] if (number in given[name]) == known)}" for name in every
    )


def _of_data(cascade: Cascade) -> Iterator[Item]:
    config, facts = cascade.config, cascade.card
    sources = ", ".join(f"{s.name} ({'test only' if s.role == 'test' else 'training, validation'})"
                        for s in config.data.sources)  # fmt: skip
    yield Item("5a", "7", "data sources", sources or "not recorded", "Data")
    left_out = facts.get("left_out")
    counted = "" if left_out is None else f"; {left_out} left out"
    eligible = f"readable films with sex and an age of 0-228 months, nothing imputed{counted}"
    yield Item("6b, 11", "8, 13", "eligibility, missing data", eligible, "run: problems.csv")
    yield Item("7", "9", "preparation", "the same steps for every film", "Method, bundle.json")
    yield Item("8a", "14", "outcome", "bone age in months as the source gives it, not read again", "Data")
    yield Item("9a", "", "predictors", "one film and the sex", "Intended use")
    disjoint = "drawn once, stratified; no film nor near copy in two parts (patients are not known here)"
    yield Item("12a", "20, 21", "partitions", disjoint, "run: dataset inputs")
    yield Item("20b", "34", "who is in which part", "films per sex and group, logged per set", "run: dataset inputs")


def _of_model(cascade: Cascade) -> Iterator[Item]:
    versions = package_versions()
    main = ", ".join(f"{name} {versions[name]}" for name in ("tensorflow", "keras") if name in versions)
    parts = (hyperparameters(cascade), members(cascade.config), views(cascade.config), stacked(cascade))
    tuned = "; ".join(part for part in parts if part)
    yield Item("12c", "22, 24, 25, 26, 27", "model, tuning, selection", tuned, "Method, runs")
    yield Item("", "23", "software", f"boneage {versions['boneage']}, {main}", "run: environment.json")
    yield Item("12g, 22", "", "full model", "served as evaluated, every file with its sha256", "bundle.json")
    yield Item("13", "", "class imbalance", "no method used; folds stratified by sex and group", "Method")
    if cascade.calibration is not None:
        yield Item("12f, 24", "", "updating", "recalibrated on local films, five folds", "version's tags")
    output = "months, group probabilities" + (", interval" if cascade.intervals else "; no interval")
    beside = f", averaged with {stacked(cascade)}" if cascade.stack else ""
    yield Item("15", "", "output", f"{output}; {cascade.config.cascade.routing} routing{beside}", "Method")


def _of_use(cascade: Cascade) -> Iterator[Item]:
    yield Item("3b", "3", "purpose and users", "a second reading beside a reader's, in research", "Intended use")
    refuses = "what is no usable hand is refused" if cascade.config.cascade.gate else "nothing is refused"
    yield Item("27a", "", "poor input", f"{refuses}; doubts are warnings", "warnings of an estimate")
    yield Item("27b", "", "user's part", "gives the film and sex; may give the age range", "Intended use")
    yield Item("", "31", "explainability", "regions that an estimate rests on", "boneage explain")
    commit = code_tags().get("mlflow.source.git.commit", "")
    yield Item("18f", "41", "code", f"Apache-2.0{', commit ' + commit[:10] if commit else ''}", "version's tags")


def _of_figures(facts: Mapping[str, Any], metrics: Mapping[str, float]) -> Iterator[Item]:
    yield Item("12e", "28, 29", "measures", "MAE, bias, within 12/24 months, accuracy; 95 % bootstrap", "Figures")
    yield Item("20a, 21", "33", "films", f"{int(metrics['images'])} validated, per part in the table", "Figures")
    yield Item("23a", "35, 36", "performance", f"MAE {metrics['mae_months']:.2f} months", "Figures")
    yield Item("14", "", "fairness", "errors per sex and group; other traits are not in the data", "Figures")
    if "stress" in facts:
        yield Item("", "30", "robustness", f"{facts['stress']['films']} films disturbed in nine ways", "Stress test")
    yield Item("26", "37, 38", "limits and failures", "weakest part named", "Limits")
    tested = "the test-only sources" if "test" in facts else "none: no figure here comes from another hospital"
    yield Item("16", "32", "external data", tested, "Figures")
