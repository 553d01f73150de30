"""Search what is upstream of the heads (`python -m tuning.outer CONFIG`); write the best as a configuration."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from boneage import stopping
from boneage.config import Config, load_config
from boneage.errors import BoneageError
from tuning.__main__ import run_command


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    parse = argparse.ArgumentParser(prog="python -m tuning.outer", description=__doc__)
    parse.add_argument("config", type=Path, help="a TOML file; its [outer] lists what is tried")
    parse.add_argument("--trials", type=int, help="how many settings, instead of the configuration's number")
    parse.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE", help="override a setting")
    return parse


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the outer search; return the exit status."""
    options = parser().parse_args(arguments)

    def search() -> None:
        config = load_config(options.config, options.set)
        if (options.trials or config.outer.trials) < 1:
            raise BoneageError.of("search.no_trials", given=options.trials or config.outer.trials)
        run(config, options.trials)

    return run_command("python -m tuning.outer", arguments, search)


def run(config: Config, trials: int | None) -> None:
    """Search, then print what won and how to go on with it."""
    from boneage.commands.common import import_keras_quietly, stage
    from tuning.display import say
    from tuning.outer.search import run_outer
    from tuning.spaces import upstream_own

    with stopping.gracefully(say):
        import_keras_quietly()
        winner = run_outer(config, trials, stage)
    own = upstream_own(winner.config)
    print(f"{winner.trials} settings tried; the study's own: {winner.own_mae_months:.2f} months out of fold")
    print(f"best: {winner.mae_months:.2f} months, " + ", ".join(f"{name} {value}" for name, value in own.items()))
    print(f"go on with it: python -m tuning {winner.file}")


if __name__ == "__main__":
    sys.exit(main())
