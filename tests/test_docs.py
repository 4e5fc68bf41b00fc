"""The pages keep their word: what they link to is there, what they show runs, the tests that they name exist."""

import re
from pathlib import Path

import jax
import pytest

from mixup_jax import methods

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
README = ROOT / "README.md"
RUNNABLE = [README, *(ROOT / "docs" / f"{name}.md" for name in ("api", "methods", "migration", "where-it-goes"))]
"""Pages whose python blocks run, each by itself after the first one of its page."""
PREAMBLE = {
    README: """
import jax, jax.numpy as jnp
rng, params = jax.random.key(0), jnp.zeros((12, 10))
x = image = jnp.ones((4, 2, 2, 3))
label = jnp.arange(4)
y = jax.nn.one_hot(label, 10)
apply = lambda params, x: x.reshape(len(x), -1) @ params
"""
}
"""What a page takes for granted: the reader's own batch and network."""
TITLES = ("Images", "Choosing among them")
"""Between these two sections of the page of the family are its methods for images."""
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


BLOCKS = [pytest.param(page, line, id=f"{page.stem}:{line}") for page in RUNNABLE for line, _ in python_blocks(page)]


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
    exec(PREAMBLE.get(page, ""), namespace)
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


def sections_of_the_family():
    """Return the page of the family, cut at its headings."""
    return re.split(r"^(?=##)", (ROOT / "docs" / "methods.md").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("name", methods.__all__)
def test_every_method_is_on_the_page_of_the_family_with_an_equation(name):
    with_equation = [text for text in sections_of_the_family() if re.search(r"^    \S.* [=~] ", text, re.MULTILINE)]
    assert [text for text in with_equation if re.search(rf"\b{name}\b", text)]


def test_every_method_for_images_has_its_picture():
    sections = sections_of_the_family()
    first, last = (next(i for i, text in enumerate(sections) if text.startswith(f"## {title}")) for title in TITLES)
    assert last - first > 9
    assert not [text.splitlines()[0] for text in sections[first + 1 : last] if "](images/gallery/" not in text]
