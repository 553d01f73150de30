"""Show a search to its user: bars while it runs, Ctrl-C between folds, a page of Optuna's plots on the study's run."""

from __future__ import annotations

import html
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from optuna import visualization
from optuna.trial import TrialState

from boneage import stopping
from boneage.groups import ModelKey
from boneage.html import html_page
from boneage.study.materials import Stage, silent
from boneage.study.models import Choose, ModelOutcome, ModelTask
from boneage.tracking.runs import StudyTracker
from tuning.progress import bars, watching
from tuning.study import goal_of, open_study, storage_for, trials_in
from tuning.workers import Places, train_everywhere

PAGE = "search.html"
K = TypeVar("K")
FEWEST_FOR_IMPORTANCE = 3


def train_with_display(
    places: Places, tasks: Sequence[ModelTask], choose: Choose, tracker: StudyTracker, stage: Stage
) -> dict[ModelKey, ModelOutcome]:
    """Train all models in these places under a bar per model, then log the page of plots."""
    with bars() as show:
        watched = nullcontext() if show is None else watching(tasks, tracker.split_sha256, show)
        with watched:
            outcomes = train_everywhere(places, tasks, choose, tracker, silent if show else stage)
    log_page(tasks, tracker)
    return outcomes


def interruptible(places: Places) -> AbstractContextManager[None]:
    """Let Ctrl-C wait for what is under way; on a cluster it stops at once, since its workers cannot be told."""
    return nullcontext() if places.ray else stopping.gracefully(say)


def log_page(tasks: Sequence[ModelTask], tracker: StudyTracker) -> None:
    """Save the page of Optuna's plots as an artifact of the study's run."""
    storage, config = storage_for(tasks[0].config), tasks[0].config
    studies = {task.key: open_study(config, task.key, tracker.split_sha256, storage) for task in tasks}
    goals = {task.key: goal_of(config, task.key).metric for task in tasks}
    page = search_page(studies, goals, f"Search of the study {config.study.name}")
    tracker.log_text(tracker.study_run_id or "", page, PAGE)


def say(sentence: str) -> None:
    """Tell the user something while bars are drawn."""
    sys.stderr.write(f"\n{sentence}\n")


def search_page(studies: Mapping[K, Any], goals: Mapping[K, str], title: str) -> str:
    """Draw all searches as one HTML page that needs nothing else.

    Args:
        studies: Optuna studies by what they search: a model's key, or another name.
        goals: what each search makes better, for the axes: `mae_months`.
        title: the page's heading.
    """
    names = [str(key) for key in studies]
    links = ", ".join(f'<a href="#{name}">{name}</a>' for name in names)
    parts = [f"<p>{links}</p>"]
    script: bool = True
    for key, study in studies.items():
        parts.append(f'<h2 id="{key}">{key}</h2>\n<p>{html.escape(_facts(study, goals[key]))}</p>\n')
        for figure in _figures(study, goals[key]):
            # The first figure brings plotly's script, the others use it.
            parts.append(figure.to_html(full_html=False, include_plotlyjs=script))
            script = False
    return html_page(title, parts)


def _facts(study: Any, goal: str) -> str:
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    counts = {state.name.lower(): states.count(state) for state in TrialState}
    text = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    if not counts["complete"]:
        return f"trials: {text}"
    return f"trials: {text}; best {goal} {study.best_value:.4g} in trial {study.best_trial.number}"


def _figures(study: Any, goal: str) -> Iterator[Any]:
    complete = trials_in(study, TrialState.COMPLETE)
    if not complete:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield visualization.plot_optimization_history(study, target_name=goal)
        # Importance is the share of the variance between trials: without variance there is none.
        if len(complete) >= FEWEST_FOR_IMPORTANCE and len({trial.value for trial in complete}) > 1:
            yield visualization.plot_param_importances(study, target_name=goal)
        yield visualization.plot_slice(study, target_name=goal)
