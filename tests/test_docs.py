"""The pages keep their word: what they link to is there, what they show runs, the tests that they name exist."""

import re
from pathlib import Path

import jax
import pytest

from mixup_jax import methods

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
RUNNABLE = ("api", "methods", "migration", "where-it-goes")
"""Pages whose python blocks run, each by itself after the first one of its page."""
OPTIONAL = ("grain", "tensorflow")
"""What a block may import without being a requirement of the project."""


def python_blocks(page):
    """Return (first line, code) of each python block of a page."""
    text = page.read_text()
    blocks = re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text.count("\n", 0, block.start(1)) + 1, block[1]) for block in blocks]


def run(page, line, code, namespace):
    """Run a block; a traceback names the line of the page."""
    for package in OPTIONAL:
        if re.search(rf"^(import|from) {package}\b", code, re.MULTILINE):
            pytest.importorskip(package, exc_type=ImportError)
    with jax.numpy_rank_promotion("allow"):  # the reader's default
        exec(compile("\n" * (line - 1) + code, str(page), "exec"), namespace)


@pytest.fixture
def quick_compiler(monkeypatch):
    """Compile to slower code, and no Beta distribution: compiling it is most of what drawing a plan costs."""

    def uniform(rng, a, b, shape=(), dtype=float):
        return jax.random.uniform(rng, shape, dtype)

    monkeypatch.setattr(jax.random, "beta", uniform)
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


BLOCKS = [
    pytest.param(page, line, id=f"{name}:{line}")
    for name in RUNNABLE
    for page in [ROOT / "docs" / f"{name}.md"]
    for line, _ in python_blocks(page)
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.usefixtures("quick_compiler")
@pytest.mark.parametrize(("page", "line"), BLOCKS)
def test_what_a_page_shows_runs(page, line):
    blocks = python_blocks(page)
    namespace = {"__name__": "page"}
    first = blocks[0][0]
    for start, code in blocks:
        if start in (first, line):
            run(page, start, code, namespace)


def test_the_tests_that_the_page_of_pitfalls_names_exist():
    named = re.findall(r"`((?:tests/)\S+\.py)::(\w+)`", (ROOT / "docs" / "pitfalls.md").read_text())
    assert len(named) > 40
    missing = [f"{file}::{test}" for file, test in named if not defines(ROOT / file, test)]
    assert not missing


def defines(file, test):
    return file.exists() and re.search(rf"^def {test}\(", file.read_text(), re.MULTILINE)


def test_every_method_has_its_place_on_the_page_of_the_family():
    page = (ROOT / "docs" / "methods.md").read_text()
    assert not [name for name in methods.__all__ if name not in page]
