"""What is left of a study that is killed with -9 again and again, beside the same study left alone.

    python benchmarks/measure_kills.py [--kills 6] [--seed 1]

Ten models, two trials each, two workers, on 96 simulated hands in a folder of its own. The leading process is killed at
moments drawn from the seed, and the same command given again, until it comes to its end.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
BETWEEN = (12.0, 40.0)  # seconds until a kill: from the libraries' loading to the final trainings
CONFIG = """
[[data.sources]]
name = "phantoms"
layout = "phantom"
path = "phantoms"
count = 96
seed = 3
[preprocess]
background = "none"
size = 160
[classifier]
standardize = true
[regressor]
standardize = true
[training]
epochs = 6
patience = 6
[tuning]
trials = 2
"""


def start(home: Path, name: str) -> subprocess.Popen[bytes]:
    """Start a study; what it says goes to a file."""
    settings = ["--set", f"study.name={name}", "--set", f"study.prefix={name}"]
    command = [sys.executable, "-m", "tuning", str(home / "study.toml"), "--workers", "2", *settings]
    with (home / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)


def killed_again_and_again(home: Path, kills: int, rng: random.Random) -> int:
    """Run a study to its end, killing it on the way; return how often it was killed."""
    for done in range(kills):
        process = start(home, "killed")
        try:
            process.wait(rng.uniform(*BETWEEN))
            return done
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if start(home, "killed").wait():
        raise SystemExit((home / "log").read_text()[-2000:])
    return kills


def tell(home: Path, client: Any, name: str) -> Any:
    """Print what both stores hold of a study; return its best parameters."""
    import optuna

    from boneage.paths import study_folder
    from boneage.tracking.values import every_page

    experiment = client.get_experiment_by_name(name).experiment_id
    runs = list(every_page(lambda token: client.search_runs([experiment], page_token=token)))
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(home / "mlruns" / "optuna.journal"))
    )
    names = [each for each in optuna.get_all_study_names(storage) if each.startswith(f"{name}/")]
    trials = [trial for each in names for trial in optuna.load_study(study_name=each, storage=storage).trials]
    versions = client.search_model_versions(f"name = '{name}-cascade'")
    study = next(run for run in runs if run.data.tags["level"] == "study" and run.info.status == "FINISHED")
    mae = study.data.metrics["cascade_validation_mae_months"]
    print(f"\n{name}: {mae!r} months, {len(versions)} cascade registered")
    print(f"  trials: {dict(Counter(trial.state.name for trial in trials))}")
    for level in ("study", "model", "trial", "fold", "final"):
        states = Counter(run.info.status for run in runs if run.data.tags["level"] == level)
        print(f"  {level} runs: {dict(states)}")
    return tomllib.loads((study_folder(name) / "best.toml").read_text())["models"]


def main() -> None:
    """Run both studies and print what is left of them."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--kills", type=int, default=6)
    parse.add_argument("--seed", type=int, default=1)
    options = parse.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.environ |= {"BONEAGE_HOME": folder, "TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_DISABLE_TELEMETRY": "true"}
        (home / "study.toml").write_text(CONFIG)
        if start(home, "whole").wait():
            raise SystemExit((home / "log").read_text()[-2000:])
        print(f"killed {killed_again_and_again(home, options.kills, random.Random(options.seed))} times")
        from boneage.tracking.store import open_store

        client = open_store()
        same = tell(home, client, "whole") == tell(home, client, "killed")
        print(f"\nbest parameters of the ten models: {'the same' if same else 'not the same'}")


if __name__ == "__main__":
    main()
