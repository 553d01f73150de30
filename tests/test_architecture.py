"""The house rules of ARCHITECTURE.md, read from the source."""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BASE = {"__init__", "languages", "notices", "groups", "errors", "files", "paths", "processes", "databases", "shipped"}
BASE |= {"dependencies", "signing", "stopping", "config", "settings", "html", "plots", "tables", "needs", "pipeline"}
ORDER = [
    "phantom",
    "data",
    "weights",
    "regions",
    "preprocess",
    "audit",
    "gate",
    "learn",
    "pretrain",
    "cascade",
    "tracking",
    "evaluation",
    "explain",
    "clinical",
    "registry",
    "study",
    "hospital",
    "ui",
]
"""The rooms from left to right: each may import those before it, apart from `FORBIDDEN`."""
FORBIDDEN = {
    "data": {"phantom"},
    "learn": {"audit", "gate"},
    "gate": {"audit"},
    "cascade": {"audit", "pretrain"},
    "tracking": {"pretrain"},
}
OLD_ADDRESS = "boneage/tracking/serving.py"
"""From where models import that were registered before the registry was a room: the one import to the right."""
SOURCES = sorted((ROOT / "boneage").rglob("*.py")) + sorted((ROOT / "tuning").rglob("*.py")) + [ROOT / "app.py"]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def imported_modules(path, modules):
    """Yield which of our modules a file imports; `from package import module` counts as the module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield from (each for each in (whole if whole in modules else node.module,) if each in modules)


def room_of(module):
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "boneage" else None


@pytest.mark.parametrize("room", ORDER)
def test_rooms_import_only_to_their_left(room):
    allowed = BASE | set(ORDER[: ORDER.index(room) + 1]) - FORBIDDEN.get(room, set())
    for path in sorted((ROOT / "boneage" / room).rglob("*.py")):
        for module in imports(path):
            wrong = room_of(module) not in {None} | allowed and path.relative_to(ROOT).as_posix() != OLD_ADDRESS
            assert not wrong, f"{path.name} imports {module}"


def test_every_room_has_its_place():
    rooms = {path.parent.name for path in (ROOT / "boneage").glob("*/__init__.py")}
    assert rooms == {*ORDER, "commands", "languages"}


def test_no_file_imports_itself_by_way_of_others():
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in SOURCES
    }
    graph = {name: set(imported_modules(path, modules)) - {name} for name, path in modules.items()}
    graph.pop("boneage")  # the front door names everything, and imports nothing before it is asked for
    list(graphlib.TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle


def test_the_library_never_imports_the_search():
    for path in SOURCES:
        if "tuning" not in path.parts:
            assert not any(module.split(".")[0] == "tuning" for module in imports(path)), path


@pytest.mark.parametrize(
    ("library", "module"), [("rembg", "boneage/preprocess/background.py"), ("torch", "boneage/pretrain")]
)
def test_a_heavy_library_is_imported_in_one_place(library, module):
    for path in SOURCES:
        if any(name.split(".")[0] == library for name in imports(path)):
            assert path.relative_to(ROOT).as_posix().startswith(module), path


def test_only_the_spaces_suggest():
    for path in SOURCES:
        if path.name != "spaces.py":
            calls = [node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
            assert not any(name.startswith("suggest_") for name in calls), path


def test_training_code_cannot_see_the_test_source():
    """Only materials reads the test-only source; what fits or chooses never names it."""
    for path in SOURCES:
        relative = path.relative_to(ROOT).as_posix()
        if relative.startswith(("boneage/learn/", "tuning/")) or relative == "boneage/study/models.py":
            text = path.read_text(encoding="utf-8")
            assert "load_test" not in text and "TestSet" not in text, relative


def test_importing_everything_light_starts_nothing_heavy():
    code = (
        "import sys, boneage.cli, boneage.config, boneage.groups, boneage.data.images;"
        "names = 'tensorflow keras rembg mlflow gradio optuna onnxruntime torch'.split();"
        "heavy = set(names) & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_files_and_functions_stay_readable():
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        assert text.count("\n") <= 350, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                assert node.end_lineno - node.lineno < 60, f"{path.name}: {node.name}"
