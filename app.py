"""The page's entry: `python app.py [--model URI] [--host 127.0.0.1] [--port 7860] [--auth ...] [--mlflow URL]`."""

from __future__ import annotations

import argparse
import os
import sys

from boneage.errors import BoneageError


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Estimate bone age on a page. Research use only.")
    parser.add_argument(
        "--model", metavar="URI", help="model that answers (the store's champion, else the one that ships)"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (127.0.0.1: this machine only)")
    parser.add_argument("--port", type=int, default=7860, help="port (7860); 0 takes any free one")
    parser.add_argument("--auth", default="", metavar="USER:PASSWORD_FILE", help="let only this user in")
    parser.add_argument("--mlflow", default="", metavar="URL", help="MLflow UI that links open (where `make ui` is)")
    behind = "the address or path under which a proxy shows the page, such as /boneage"
    parser.add_argument("--root-path", default="", metavar="PATH", help=behind)
    parser.add_argument("--insecure", action="store_true", help="serve other machines without a login")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Build the page and serve it; return the exit status."""
    asked = parse(arguments)
    # TensorFlow's own chatter would drown the page's address; whoever wants it sets the variable.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        from boneage.registry.opening import default_uri
        from boneage.ui.launch import LaunchOptions, serve

        serve(
            asked.model or default_uri(),
            LaunchOptions(asked.host, asked.port, asked.auth, asked.insecure, asked.mlflow, asked.root_path),
        )
    except BoneageError as error:
        sys.stderr.write(f"app.py: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
