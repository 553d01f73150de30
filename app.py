"""The page's entry: `python app.py [--model URI] [--host 127.0.0.1] [--port 7860] [--auth ...] [--mlflow URL]`."""

from __future__ import annotations

import argparse
import os
import sys

from boneage.commands.page import page_arguments, run
from boneage.errors import BoneageError
from boneage.files import write_fault


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Estimate bone age on a page. Research use only.")
    page_arguments(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Build the page and serve it; return the exit status."""
    asked = parse(arguments)
    # TensorFlow's own chatter, where an old model needs it, would drown the page's address.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return run(asked)
    except BoneageError as error:
        sys.stderr.write(f"app.py: {error}\n")
    except OSError as error:
        sys.stderr.write(f"app.py: {write_fault(error.filename or 'a file', error) if error.errno else error}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
