"""Rules of imports: three floors, a pure step, no circles. Modules are parsed, not imported."""

import ast
import re
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for floor in ("mixup_jax", "experiments", "benchmarks")
    for path in (ROOT / floor).rglob("*.py")
}
STEPS = sorted(name for name in FILES if name.startswith("mixup_jax.steps."))
OPENING = {"open", "read_text", "read_bytes", "write_text", "write_bytes", "load", "save", "memmap", "fromfile", "glob"}


@cache
def tree(name):
    """Return what a module runs: imports for type checkers only are left out."""
    module = ast.parse(FILES[name].read_text())
    module.body = [each for each in module.body if getattr(getattr(each, "test", None), "id", "") != "TYPE_CHECKING"]
    return module


@cache
def imports(name):
    """Return the modules of this project that a module imports anywhere in its code."""
    found = set()
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
    return frozenset(found & FILES.keys() - {name})


def with_packages(name):
    parts = name.split(".")
    return {".".join(parts[: count + 1]) for count in range(len(parts))} & FILES.keys()


def reached(start):
    """Return all modules that importing a module imports, itself and the packages around them included."""
    seen, todo = set(), with_packages(start)
    while todo:
        name = todo.pop()
        seen.add(name)
        todo |= {package for each in imports(name) for package in with_packages(each)} - seen
    return seen


def below(name, *packages):
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def test_the_step_needs_few_files():
    code = [name for name in reached("mixup_jax.steps.train_step") if len(tree(name).body) > 1]  # more than a docstring
    assert len(code) <= 26, sorted(code)


@pytest.mark.parametrize("step", STEPS)
def test_steps_are_pure(step):
    for name in reached(step):
        assert not below(name, *(f"mixup_jax.{part}" for part in ("training", "runtime", "planning", "report"))), name
        calls = (node.func for node in ast.walk(tree(name)) if isinstance(node, ast.Call))
        called = {getattr(each, "attr", None) or getattr(each, "id", None) for each in calls}
        assert not called & OPENING, name


def test_no_floor_imports_one_above_it():
    for name in FILES:
        above = {"mixup_jax": ("experiments", "benchmarks"), "experiments": ("benchmarks",)}.get(name.split(".")[0], ())
        assert not [each for each in imports(name) if below(each, *above)], name


def test_planning_is_imported_by_its_command_and_by_benchmarks_alone():
    for name in FILES:
        if any(below(each, "mixup_jax.planning") for each in imports(name)):
            assert below(name, "mixup_jax.planning", "experiments.plan", "benchmarks"), name


def test_there_is_no_circle_of_imports():
    TopologicalSorter({name: imports(name) for name in FILES}).prepare()


def test_the_walk_names_files_that_there_are():
    page = (ROOT / "docs" / "design.md").read_text()
    walk = page[page.index("## A walk") : page.index("## Layers")]
    files = re.findall(r"^\| `(\S+\.py)` \|", walk, re.MULTILINE)
    assert [file for file in files if not (ROOT / file).is_file()] == []
    assert len(files) == len(set(files)) <= 14


def test_files_and_folders_are_short():
    assert [name for name, path in FILES.items() if path.read_text(encoding="utf-8").count("\n") > 350] == []
    folders = Counter(path.parent for path in [*FILES.values(), *(ROOT / "tests").rglob("*.py")])
    assert [folder for folder, count in folders.items() if count > 20] == []
