"""Optuna's own plots of every model's search on one page: history, importance and slices, without network access."""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

K = TypeVar("K")
FEWEST_FOR_IMPORTANCE = 3
_HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 1100px; }}
.plotly-graph-div {{ overflow-x: auto; }}</style></head><body>
<h1>{title}</h1><p>{links}</p>
"""


def search_page(studies: Mapping[K, Any], goals: Mapping[K, str], title: str) -> str:
    """Draw all searches as one HTML page that needs nothing else.

    Args:
        studies: Optuna studies by what they search: a model's key, or another name.
        goals: what each search makes better, for the axes: `mae_months`.
        title: the page's heading.
    """
    names = [str(key) for key in studies]
    links = ", ".join(f'<a href="#{name}">{name}</a>' for name in names)
    parts = [_HEAD.format(title=html.escape(title), links=links)]
    script: bool = True
    for key, study in studies.items():
        parts.append(f'<h2 id="{key}">{key}</h2>\n<p>{html.escape(_facts(study, goals[key]))}</p>\n')
        for figure in _figures(study, goals[key]):
            # The first figure brings plotly's script, the others use it.
            parts.append(figure.to_html(full_html=False, include_plotlyjs=script))
            script = False
    return "".join([*parts, "</body></html>\n"])


def _facts(study: Any, goal: str) -> str:
    import optuna

    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    counts = {state.name.lower(): states.count(state) for state in optuna.trial.TrialState}
    text = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    if not counts["complete"]:
        return f"trials: {text}"
    return f"trials: {text}; best {goal} {study.best_value:.4g} in trial {study.best_trial.number}"


def _figures(study: Any, goal: str) -> Iterator[Any]:
    import optuna
    from optuna import visualization

    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if not complete:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield visualization.plot_optimization_history(study, target_name=goal)
        # Importance is the share of the variance between trials: without variance there is none.
        if len(complete) >= FEWEST_FOR_IMPORTANCE and len({trial.value for trial in complete}) > 1:
            yield visualization.plot_param_importances(study, target_name=goal)
        yield visualization.plot_slice(study, target_name=goal)
