"""What a reader does in the MLflow UI on our store: sort trials, open one, compare its folds, find a model's runs.

Also makes the screenshots of docs/how-to/tracking.md from a store with a finished study (start `make ui` first):
`python tests/browser/tracking_pages.py URL EXPERIMENT_ID MODEL docs/pictures`, MODEL for example regressor-female-3.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).parent))

from chromium import find_browser  # noqa: E402 (its folder is on the path only now)

PATIENCE = 180_000
SORT_KEY = "metrics.`cv_val_mae_months_mean`"


def model_query(model: str, **tags: str) -> str:
    """Return the search that finds a model's runs by tags alone, narrowed by further tags."""
    task, sex, *group = model.split("-")
    wanted = {"task": task, "sex": sex, "age_group": group[0] if group else "all", **tags}
    return " and ".join(f"tags.{name} = '{value}'" for name, value in wanted.items())


def open_runs(page: Any, url: str, experiment: str, query: str, sort: str = "", mode: str = "") -> None:
    """Open the runs of an experiment that a search finds, sorted by a key (ascending), as a table or as charts."""
    key, ascending = (sort, "true") if sort else ("attributes.start_time", "false")
    place = f"{url}/#/experiments/{experiment}/runs?workflowType=machine_learning&searchFilter={quote(query)}"
    page.goto("about:blank")
    page.goto(f"{place}&orderByKey={quote(key)}&orderByAsc={ascending}" + (f"&compareRunsMode={mode}" if mode else ""))
    page.get_by_role("button", name="Sort").wait_for()
    close_assistant(page)


def close_assistant(page: Any) -> None:
    """Close MLflow's own chat panel where it is open: it covers the table."""
    button = page.locator('[data-component-id="mlflow.assistant.chat_panel.close"]')
    if button.count():
        button.first.click()


def run_names(page: Any, wanted: str) -> list[str]:
    """Return the names of the runs in the table, in their order, once one of them starts with what is wanted."""
    page.locator("[role=row] a", has_text=wanted).first.wait_for()
    return [link.inner_text().strip() for link in page.locator("[role=row] a").all() if link.inner_text().strip()]


def show_columns(page: Any, *names: str) -> None:
    """Show metrics or parameters as columns of their own."""
    page.get_by_role("button", name="Columns", exact=True).click()
    for name in names:
        page.get_by_placeholder("Search columns").fill(name)
        page.get_by_role("checkbox", name=name, exact=True).or_(page.get_by_text(name, exact=True)).last.click()
    page.keyboard.press("Escape")


def sorted_trials(page: Any, url: str, experiment: str, model: str) -> list[str]:
    """Sort a model's trials by the mean of their folds; return their names, best first."""
    open_runs(page, url, experiment, model_query(model, level="trial"), SORT_KEY)
    return run_names(page, "trial-")


def open_trial(page: Any, name: str) -> str:
    """Open a run of the table; return its page's text once its parameters are there."""
    page.locator("[role=row] a", has_text=name).first.click()
    page.get_by_text("cv_val_mae_months_mean").first.wait_for()
    page.get_by_text("initial_learning_rate").first.wait_for()
    return str(page.inner_text("body"))


def compare_folds(page: Any, url: str, experiment: str, model: str, trial: str) -> None:
    """Lay the curves of a trial's folds over each other."""
    open_runs(page, url, experiment, model_query(model, level="fold", trial=trial), SORT_KEY, mode="CHART")
    page.get_by_text("learning_rate", exact=True).first.wait_for()


def all_runs_of(page: Any, url: str, experiment: str, model: str) -> list[str]:
    """Find every run of a model by its tags, from the model's own to its folds and final training."""
    open_runs(page, url, experiment, model_query(model), SORT_KEY)
    return run_names(page, "trial-")


def shoot(page: Any, url: str, experiment: str, model: str, out: Path) -> None:
    """Take the four pictures."""

    def picture(name: str) -> None:
        page.wait_for_timeout(4000)
        page.screenshot(path=out / f"tracking-{name}.png")

    best = sorted_trials(page, url, experiment, model)[0]
    show_columns(page, "cv_val_mae_months_mean", "cv_val_mae_months_std", "batch_size", "width_1", "dropout")
    picture("trials")
    open_trial(page, best)
    close_assistant(page)
    page.get_by_text("fold-0").first.wait_for()
    picture("trial")
    compare_folds(page, url, experiment, model, best.removeprefix("trial-"))
    page.get_by_placeholder("Search metric charts").fill("learning_rate|loss|epoch_val_mae")
    picture("folds")
    all_runs_of(page, url, experiment, model)
    picture("model")


def main(url: str, experiment: str, model: str, out: Path) -> None:
    """Take the pictures of docs/how-to/tracking.md."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1800, "height": 760})
        page.set_default_timeout(PATIENCE)
        shoot(page, url, experiment, model, out)
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
