"""Launch the page with settings that are right for patient data."""

from __future__ import annotations

import atexit
import hmac
import ipaddress
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from boneage.errors import BoneageError
from boneage.paths import project_root, workspace
from boneage.processes import has_ended

if TYPE_CHECKING:
    import gradio as gr

MAX_FILE_SIZE = "64mb"
MAX_SESSIONS = 200
MAX_WAITING = 60
MLFLOW_UI = "http://127.0.0.1:5000"
_WEB = ("http://", "https://")
_FOLDER = "boneage-page-"
_SCRIPT = Path(__file__).with_name("page.js")


class LaunchError(BoneageError):
    """A way of launching that is refused; the message says what to do instead."""


@dataclass(frozen=True)
class LaunchOptions:
    """Where and to whom the page is served.

    Attributes:
        host: the address to bind to.
        port: the port, 0-65535; 0 takes any free one.
        auth: `USER:PASSWORD_FILE`, or empty for no login.
        insecure: bind to other addresses than this machine's own without a login.
        mlflow: address of the MLflow UI that links to runs open; empty for where `make ui` puts it.
        root_path: where a proxy shows the page: a path such as `/boneage`, or a whole address; empty without a proxy.
    """

    host: str = "127.0.0.1"
    port: int = 7860
    auth: str = ""
    insecure: bool = False
    mlflow: str = ""
    root_path: str = ""


def private_folder() -> Path:
    """Make a folder that only this user can read, for uploads and pictures; it is deleted when the program ends.

    What a killed program could not delete is deleted here. Call it before the page is built: Gradio reads the place of
    its cache while it builds components.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        if _is_orphan(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
    os.environ["GRADIO_TEMP_DIR"] = str(folder / "cache")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _is_orphan(folder: Path) -> bool:
    """Tell whether a private folder of ours belongs to a program that has ended."""
    pid = folder.name.removeprefix(_FOLDER).partition("-")[0]
    return os.name == "posix" and pid.isdigit() and folder.stat().st_uid == os.getuid() and has_ended(int(pid))


def serve(uri: str, options: LaunchOptions) -> None:
    """Build the page for a model and serve it; models load and examples are drawn while it is already up.

    Raises:
        LaunchError: when the options are refused, or the port is taken.
    """
    check(options)
    # A polite kill must clean up as Ctrl-C does: the folder holds radiographs.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    folder = private_folder()
    from boneage.data.flags import FlagStore
    from boneage.hospital.drift import default_counts
    from boneage.registry.in_use import note_versions
    from boneage.ui.catalogue import RegistryCatalogue
    from boneage.ui.estimate.examples import Examples
    from boneage.ui.page import build_page
    from boneage.ui.page_services import PageServices
    from boneage.ui.service import ModelService
    from boneage.ui.visit_files import Downloads, Visits
    from boneage.ui.visit_log import VisitLog

    visits = Visits(folder)
    services = PageServices(
        ModelService(RegistryCatalogue(), uri, log=VisitLog(default_counts()), noted=partial(note_versions, "page")),
        FlagStore(project_root() / "flagged"),
        Examples(workspace() / "examples"),
        Downloads(folder / "cache", visits),
        visits,
        mlflow_address(options.mlflow),
    )
    page = build_page(services)
    url = launch(page, options, services.examples.folder, services.flags.folder)
    # Only now: what these threads import would keep the page from answering for seconds.
    services.service.start()
    services.examples.start()
    _say(url)
    page.block_thread()


def check(options: LaunchOptions) -> None:
    """Refuse to serve other machines without a login.

    Raises:
        LaunchError: when the host is not this machine's own and there is neither a login nor `insecure`, or the root
            path is none.
    """
    if options.root_path and not options.root_path.startswith(("/", *_WEB)):
        raise LaunchError.of("launch.root_path", given=options.root_path)
    if options.auth or options.insecure or _is_own(options.host):
        return
    raise LaunchError.of("launch.no_login", host=options.host)


def mlflow_address(given: str) -> str:
    """Return where the MLflow UI is: as given, else the tracking server where one is used, else `make ui` here.

    Raises:
        LaunchError: when it is no web address.
    """
    tracking = os.environ.get("MLFLOW_TRACKING_URI", "")
    address = given or (tracking if tracking.startswith(_WEB) else MLFLOW_UI)
    if not address.startswith(_WEB):
        raise LaunchError.of("launch.mlflow", example=MLFLOW_UI, given=given)
    return address


def launch(page: gr.Blocks, options: LaunchOptions, examples: Path, flagged: Path) -> str:
    """Serve the page; return its URL.

    Args:
        page: from `build_page`.
        options: where and to whom.
        examples: the folder of drawn hands, the only one that may be served besides the page's own cache.
        flagged: the folder of flagged cases, which may never be served.

    Raises:
        LaunchError: when the options are refused, or the port is taken.
    """
    from starlette.middleware import Middleware

    from boneage.ui.security import Guard
    from boneage.ui.theme import STYLE, theme

    check(options)
    settings = {
        "server_name": options.host,
        "server_port": options.port or None,
        "auth": _login(options.auth),
        "root_path": options.root_path.rstrip("/") or None,
        "share": False,
        "show_error": False,
        "quiet": True,
        "prevent_thread_lock": True,
        "max_file_size": MAX_FILE_SIZE,
        "allowed_paths": [str(examples)],
        "blocked_paths": [str(project_root() / "mlruns"), str(flagged)],
        "strict_cors": True,
        "enable_monitoring": False,
        "run_history": False,
        "ssr_mode": False,
        "pwa": False,
        "mcp_server": False,
        "state_session_capacity": MAX_SESSIONS,
        "footer_links": ["api"],
        # Gradio would ask itself for the page and give up after three seconds, which a busy machine may well need.
        "_frontend": False,
        "theme": theme(),
        "css_paths": [STYLE],
        "head": f"<script>{_SCRIPT.read_text(encoding='utf-8')}</script>",
        "app_kwargs": {"middleware": [Middleware(Guard, uploads=lambda: page.upload_file_set)]},
    }
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=4)
    try:
        return str(page.launch(**settings)[1])
    except OSError as error:
        place = f"port {options.port} of {options.host}"
        raise LaunchError.of("launch.port", place=place) from error


def _is_own(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _login(auth: str) -> Callable[[str, str], bool] | None:
    """Read `USER:PASSWORD_FILE` into a check that takes the same time for every wrong password."""
    if not auth:
        return None
    user, separator, file = auth.partition(":")
    if not separator or not user or not file:
        raise LaunchError.of("launch.login", given=auth)
    try:
        password = Path(file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LaunchError.of("launch.password_file", file=file) from error
    if not password:
        raise LaunchError.of("launch.no_password", file=file)

    def known(given_user: str, given_password: str) -> bool:
        same_user = hmac.compare_digest(given_user.encode(), user.encode())
        return hmac.compare_digest(given_password.encode(), password.encode()) and same_user

    return known


def _say(url: str) -> None:
    import logging

    logging.getLogger("boneage.ui").warning("The page is open at %s", url)
