"""How long a reader waits for MLflow's table of runs: many runs, the server of `make ui`, a real Chromium.

    python benchmarks/measure_ui.py [--trials 210] [--times 5]

Writes a search into a store of its own (trials of one regressor, five folds each with curves of 30 epochs; nothing is
trained) and uses it as a reader does. Each time is a new browser context: nothing comes from the browser's cache. An
experiment opens as a tree with the study's or the model's run on top; a search by tag makes a flat list of it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "browser"))

from chromium import find_browser  # noqa: E402 (its folder is on the path only now)
from tracking_pages import SORT_KEY, model_query, open_runs  # noqa: E402

MODEL, FOLDS, EPOCHS = "regressor-female-3", 5, 30
PAGE = 100  # runs that MLflow lists at once


def draw(uri: str, trials: int) -> str:
    """Write a search of one model into a new store; return its experiment's id."""
    from boneage.config import Config, HeadParameters, StudyConfig
    from boneage.groups import ModelKey
    from boneage.tracking.runs import StudyTracker
    from boneage.tracking.store import open_store

    tracker = StudyTracker(open_store(uri), Config(study=StudyConfig(name="many")), "ab" * 32)
    key, rng = ModelKey.parse(MODEL), np.random.default_rng(1)
    with tracker.study_run() as study:
        tracker.log_dataset(study, "train", "cd" * 32, "training", {"images": 80})
        with tracker.model_run(key):
            for number in range(trials):
                with tracker.trial_run(key, number, HeadParameters()) as trial:
                    folds = [fold(float(mae)) for mae in rng.uniform(7, 12, FOLDS)]
                    for index, result in enumerate(folds):
                        tracker.log_fold(trial, key, index, result)
                    mean = float(np.mean([result.metrics["mae_months"] for result in folds]))
                    tracker.log_metrics(trial, {"cv_val_mae_months_mean": mean, "cv_val_mae_months_std": 0.5})
    return tracker.experiment_id


def fold(mae: float) -> Any:
    """Return a fold that nobody fitted."""
    from boneage.learn.crossval import FoldResult
    from boneage.learn.fit import FitResult

    curve = [mae * (1 + 3 / (epoch + 1)) for epoch in range(EPOCHS)]
    history = {"loss": curve, "val_loss": curve, "val_mae_months": curve, "learning_rate": curve}
    metrics = {"mae_months": mae, "rmse_months": mae, "within_12_months": 0.7, "loss": mae}
    return FoldResult(FitResult([], history, EPOCHS - 1, 0.1), metrics)


@contextlib.contextmanager
def served(uri: str, log: Path) -> Iterator[str]:
    """Start the UI as the Makefile does; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url, quiet = f"http://127.0.0.1:{port}", {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [sys.executable, "-m", "mlflow", "ui", "--workers", "1", "--port", str(port), "--backend-store-uri", uri]
    with log.open("wb") as out:
        server = subprocess.Popen(command, env={**os.environ, **quiet}, stdout=out, stderr=out, start_new_session=True)
    try:
        for _ in range(240):
            with contextlib.suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/health"):
                break
            time.sleep(0.5)
        yield url
    finally:
        os.killpg(server.pid, 15)
        server.wait(30)


def measure(browser: Any, url: str, experiment: str, trials: int) -> dict[str, float]:
    """Open the table anew and use it; return seconds by what was done."""
    context = browser.new_context(viewport={"width": 1500, "height": 900})
    page, took = context.new_page(), {}
    page.set_default_timeout(60_000)

    def timed(name: str, action: Callable[..., None], *arguments: Any) -> None:
        began = time.perf_counter()
        action(page, *arguments)
        took[name] = time.perf_counter() - began

    query = model_query(MODEL, level="trial")
    timed("open MLflow's list of experiments", experiments, url)
    timed("open the experiment", opened, url, experiment, "", "", MODEL)
    timed("open its trials by tag, sorted by mean error", opened, url, experiment, query, SORT_KEY, "trial-")
    for shown in range(2 * PAGE, trials + PAGE, PAGE):
        count = min(shown, trials)
        timed(f"scroll to the end, load more: {count} are there", more, count)
    timed("scroll to the last", scroll)
    timed("narrow the search to one trial by its tag", search, f"{query} and tags.trial = '007'", "1 matching run")
    timed("widen it to all trials again", search, query, f"{PAGE} matching runs")
    context.close()
    return took


def experiments(page: Any, url: str) -> None:
    """Open a page without runs, which costs what loading MLflow's program does."""
    page.goto(f"{url}/#/experiments")
    page.get_by_role("link", name="many").first.wait_for()


def opened(page: Any, url: str, experiment: str, query: str, sort: str, first: str) -> None:
    """Open the table anew and wait until a run's name can be read."""
    open_runs(page, url, experiment, query, sort)
    page.locator("[role=row] a", has_text=first).first.wait_for()


def more(page: Any, count: int) -> None:
    """Scroll to the button below the last run, ask for the next ones and wait until so many are there."""
    scroll(page)
    page.get_by_role("button", name="Load more").click()
    page.get_by_text(f"{count} matching runs").wait_for()


def scroll(page: Any) -> None:
    """Turn the wheel until the last row of the table is there."""
    table = page.locator(".ag-body-viewport").first
    table.hover()
    at_end = "box => box.scrollTop + box.clientHeight >= box.scrollHeight - 2"
    while not table.evaluate(at_end):
        page.mouse.wheel(0, 600)
        page.wait_for_timeout(16)
    page.locator("[role=row] a").last.wait_for()


def search(page: Any, query: str, found: str) -> None:
    """Type a search into the table's box and wait until it says how many were found and lists them."""
    box = page.get_by_placeholder("metrics.rmse")
    box.fill(query)
    box.press("Enter")
    page.get_by_text(found, exact=True).wait_for()
    page.locator("[role=row] a", has_text="trial-").first.wait_for()


def main() -> None:
    """Print seconds: median and the slowest of some openings."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--trials", type=int, default=210)
    parse.add_argument("--times", type=int, default=5)
    options = parse.parse_args()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        uri = f"sqlite:///{folder}/mlflow.db"
        experiment = draw(uri, options.trials)
        print(
            f"{options.trials * (FOLDS + 1) + 2} runs; seconds, {options.times} openings: median (slowest)", flush=True
        )
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        with served(uri, Path(folder) / "log") as url:
            all_took = [measure(browser, url, experiment, options.trials) for _ in range(options.times)]
        browser.close()
    for name in all_took[0]:
        values = [took[name] for took in all_took]
        print(f"{name:48} {statistics.median(values):5.1f} ({max(values):.1f})")


if __name__ == "__main__":
    main()
