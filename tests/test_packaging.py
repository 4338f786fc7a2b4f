"""The walls of the house: what is packaged, what may import what, what an import costs, and the wheel."""

import ast
import importlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

from tests.core_size import absolute, imports

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
HOUSE = {"minigrad": ROOT / "minigrad", "minigrad.models": ROOT / "models", "minigrad.optim": ROOT / "optim"}


def python(*arguments, cwd=ROOT, **environment):
    """Run this Python in a process of its own and return what it printed."""
    run = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def files():
    """Every file of code by its module name, and whether it is a package's __init__."""
    found = {}
    for package, folder in HOUSE.items():
        for path in sorted(folder.rglob("*.py")):
            below = path.relative_to(folder).parts
            if package == "minigrad" and below[0] in ("models", "optim"):
                continue  # the symlinks: these have their own names in HOUSE
            is_package = path.name == "__init__.py"
            name = ".".join([package, *below[:-1]] + ([] if is_package else [path.stem]))
            found[name] = path, is_package
    return found


FILES = files()
PACKAGES = [name for name, (_, is_package) in FILES.items() if is_package]


def parse(module):
    path, is_package = FILES[module]
    return ast.parse(path.read_text("utf-8"), str(path)), is_package


def every_import(module):
    """All names a module imports anywhere in its file, inside functions and for the type checker too."""
    tree, is_package = parse(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{absolute(node, module, is_package)}.{alias.name}" for alias in node.names)


def lies_in(name, package):
    return name == package or name.startswith(package + ".")


# What is packaged


def test_the_list_of_packages_is_the_folders():
    assert sorted(PROJECT["tool"]["setuptools"]["packages"]) == sorted(PACKAGES)


def test_code_outside_packages_is_not_forgotten():
    """A folder of modules without an __init__.py would be importable here and absent from the wheel."""
    assert {name.rpartition(".")[0] for name in FILES if name != "minigrad"} <= set(PACKAGES)


def test_the_version_is_one():
    import minigrad

    assert minigrad.__version__ == PROJECT["project"]["version"]


# What may import what


@pytest.mark.parametrize("module", FILES)
def test_walls(module):
    names = list(every_import(module))
    assert not [name for name in names if lies_in(name, "models") or lies_in(name, "optim")], "use minigrad.models"
    above = []
    if lies_in(module, "minigrad.models"):
        above = ["minigrad.optim"]
    elif not lies_in(module, "minigrad.optim") and module != "minigrad.__main__":
        above = ["minigrad.models", "minigrad.optim"]
    assert not [name for name in names for package in above if lies_in(name, package)]


# The rooms of the engine from below; the lowest holds all files that lie in none of these.
LAYERS = [
    ("minigrad.ops",),
    ("minigrad.rules",),
    ("minigrad.compiler", "minigrad.drawing"),
    ("minigrad.activation_table",),
]


ENGINE = [
    name
    for name in FILES
    if name not in ("minigrad", "minigrad.__main__")
    and not lies_in(name, "minigrad.models")
    and not lies_in(name, "minigrad.optim")
]


def place(name):
    """The layer and the room a module, or a name imported from it, lies in."""
    return next(
        ((i, room) for i, rooms in enumerate(LAYERS) for room in rooms if lies_in(name, room)), (0, LAYERS[0][0])
    )


@pytest.mark.parametrize("module", ENGINE)
def test_a_room_imports_none_above_it_or_beside_it(module):
    """Inside functions and for the type checker neither; `minigrad` itself is the door to all rooms."""
    layer, room = place(module)
    names = list(every_import(module))
    assert [name for name in names if place(name)[0] > layer] == []
    assert [name for name in names if place(name)[0] == layer and place(name)[1] != room] == []


@pytest.mark.slow
def test_no_import_circle():
    """Follow the imports made when a module is loaded; a name taken from a package is an import of the package."""
    edges = {}
    for module in FILES:
        tree, is_package = parse(module)
        names = imports([tree], module, is_package)
        edges[module] = {name if name in FILES else name.rpartition(".")[0] for name in names} & set(FILES)
    done = set()

    def visit(module, path):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            for other in sorted(edges[module]):
                visit(other, [*path, module])
            done.add(module)

    for module in edges:
        visit(module, [])


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_is_named_as_a_function(package):
    """Else `minigrad.draw` would be a function or a module, whichever was imported last."""
    module = importlib.import_module(package)
    below = {name.rpartition(".")[2] for name in FILES if name.rpartition(".")[0] == package} - {"__main__"}
    assert not [name for name in below if not isinstance(getattr(module, name, module), ModuleType)]


# What an import does


def test_the_folders_are_no_packages_of_their_own():
    loaded = python("-c", "import sys, minigrad.models, minigrad.optim; print(*sys.modules)").split()
    assert {"models", "optim"} & set(loaded) == set()


def test_an_import_loads_numpy_and_nothing_heavy():
    loaded = python("-W", "error", "-c", "import sys, minigrad; print(*sys.modules)").split()
    heavy = {"graphviz", "matplotlib", "pooch", "safetensors", "scipy", "sklearn", "tomli_w", "torch", "tqdm"}
    assert heavy & set(loaded) == set()
    assert "numpy" in loaded
    assert not [name for name in loaded if lies_in(name, "minigrad.models") or lies_in(name, "minigrad.optim")]


ROOMS = {
    "minigrad.models.data": ("datasets", "generated", "preprocessing", "readers"),
    "minigrad.optim.experiments": ("configuration", "example_graphs", "tasks"),
}  # with the modules that have a short name one room above
SHORT = f"""
import pickle, sys
from importlib import resources
for room, names in {ROOMS}.items():
    above = room.rpartition(".")[0]
    for name in names:
        package = __import__(above, fromlist=[""])
        if name in package.__all__:  # or whoever loads the file of the short name puts another module in its place
            assert f"{{above}}.{{name}}" in sys.modules, name
        __import__(f"{{above}}.{{name}}")
        module = sys.modules[f"{{above}}.{{name}}"]
        assert module is sys.modules[f"{{room}}.{{name}}"] is getattr(sys.modules[above], name), name
from minigrad.models.preprocessing import Split
assert pickle.loads(b"cminigrad.models.preprocessing\\nSplit\\n.") is pickle.loads(pickle.dumps(Split)) is Split
assert (resources.files("minigrad.models") / "data" / "wine.csv.gz").is_file()
"""


def test_modules_have_short_names():
    """`minigrad.models.datasets` is the module of `models/data` itself, also for what was pickled by the short name."""
    python("-W", "error", "-c", SHORT)


@pytest.mark.parametrize("room", ROOMS)
def test_layers_know_no_data_and_training_no_experiment(room):
    above = room.rpartition(".")[0]
    known = [
        name for name in FILES if lies_in(name, above) and any(lies_in(other, room) for other in every_import(name))
    ]
    short = {f"{above}.{name}" for name in ROOMS[room]}
    beside = {
        name for name in known if lies_in(name, "minigrad.optim.studies")
    }  # which leave run folders like the main job's
    assert {name for name in known if not lies_in(name, room)} - beside <= short | {"minigrad.models"}
    assert short <= set(known)


PUBLIC = {
    "minigrad": """Node Parameter Input Constant Operation Elementwise Graph GradientError gradients jacobian hessian
        hessian_vector_product jacobian_vector_product stop_gradient clip_adjoint scale_adjoint probe scope anomalies
        operations check_gradients draw listing sigmoid relu softplus softmax log_softmax logsumexp erf""",
    "minigrad.models": "RNN losses penalties initializers datasets",
    "minigrad.optim": "SGD Adam clip_by_norm fit",
}


@pytest.mark.parametrize("package", PUBLIC)
def test_the_public_names_are_there(package):
    module = importlib.import_module(package)
    assert [name for name in PUBLIC[package].split() if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", HOUSE)
def test_what_a_package_exports_is_there(package):
    module = importlib.import_module(package)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert len(module.__all__) == len(set(module.__all__))


# The wheel

OUTSIDE = """
import pathlib, minigrad, minigrad.models, minigrad.optim
home = pathlib.Path("installed").resolve()
for module in (minigrad, minigrad.models, minigrad.optim):
    assert home in pathlib.Path(module.__file__).resolve().parents, module.__file__
"""


@pytest.mark.slow
def test_the_wheel_works_outside_the_tree(tmp_path):
    """Build it from a copy (the tree stays clean), install it, and use it from another folder."""
    copy, installed = tmp_path / "copy", tmp_path / "installed"
    copy.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in ("minigrad", "models", "optim"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    pip = ("-m", "pip", "--disable-pip-version-check", "--quiet")
    python(*pip, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", "dist", ".", cwd=copy)
    (wheel,) = (copy / "dist").glob("*.whl")

    data = [path for path in (ROOT / "models" / "data").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    expected = {"minigrad/py.typed"} | {f"minigrad/models/{path.relative_to(ROOT / 'models')}" for path in data}
    for name, (path, is_package) in FILES.items():
        folder = name if is_package else name.rpartition(".")[0]
        expected.add(f"{folder.replace('.', '/')}/{path.name}")
    with zipfile.ZipFile(wheel) as archive:
        packed = [name for name in archive.namelist() if ".dist-info/" not in name]
    assert sorted(packed) == sorted(expected)  # each once

    python(*pip, "install", "--no-index", "--no-deps", "--target", str(installed), str(wheel), cwd=tmp_path)
    here = {"cwd": tmp_path, "PYTHONPATH": str(installed)}
    python("-c", OUTSIDE, **here)
    assert "train" in python("-m", "minigrad", "--help", **here)
