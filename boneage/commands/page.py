"""`boneage page`: open the page, as `python app.py` does in a checkout."""

from __future__ import annotations

import argparse


def page_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `boneage page`."""
    words = "model that answers (the store's champion, else the one that ships)"
    parser.add_argument("--model", metavar="URI", help=words)
    parser.add_argument("--host", default="127.0.0.1", help="address to bind to (127.0.0.1: this machine only)")
    parser.add_argument("--port", type=int, default=7860, help="port (7860); 0 takes any free one")
    parser.add_argument("--auth", default="", metavar="USER:PASSWORD_FILE", help="let only this user in")
    parser.add_argument("--mlflow", default="", metavar="URL", help="MLflow UI that links open (where `make ui` is)")
    behind = "the address or path under which a proxy shows the page, such as /boneage"
    parser.add_argument("--root-path", default="", metavar="PATH", help=behind)
    # Left out where it is not given: `boneage --audit page` says it before the command.
    words = "log who estimated and saved what (BONEAGE_AUDIT names the folder, else audit/)"
    parser.add_argument("--audit", action="store_true", default=argparse.SUPPRESS, help=words)
    parser.add_argument("--insecure", action="store_true", help="serve other machines without a login")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve the page until it is stopped."""
    from boneage.hospital.audit_trail import switch_on
    from boneage.registry.opening import default_uri
    from boneage.ui.launch import LaunchOptions, serve

    if getattr(args, "audit", False):
        switch_on()
    uri = default_uri() if args.model is None else args.model
    serve(uri, LaunchOptions(args.host, args.port, args.auth, args.insecure, args.mlflow, args.root_path))
    return 0
