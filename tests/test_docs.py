"""The pages keep their word: what they link to is there, what they show runs, the tests that they name exist."""

import inspect
import re
from pathlib import Path

import jax
import pytest

import mixup_jax
from experiments.gallery import __main__ as gallery
from experiments.gallery.figures import FIGURES
from mixup_jax import methods
from mixup_jax.config import CHOICES

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
README = ROOT / "README.md"
RUNNABLE = [README, *(ROOT / "docs" / f"{name}.md" for name in ("api", "methods", "migration", "where-it-goes"))]
"""Pages whose python blocks run, each by itself after the first one of its page."""
PREAMBLE = {
    README: """
import jax, jax.numpy as jnp
rng, params, step = jax.random.key(0), jnp.zeros((12, 10)), 0
x = image = jnp.ones((4, 2, 2, 3))
label = jnp.arange(4)
y = jax.nn.one_hot(label, 10)
apply = lambda params, x: x.reshape(len(x), -1) @ params
"""
}
"""What a page takes for granted: the reader's own batch and network."""
FAMILY = ROOT / "docs" / "methods.md"
EQUATION = re.compile(r"\S [=~] \S")
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


@pytest.mark.thorough
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


FUNCTIONS = sorted(
    {
        name
        for module in (mixup_jax, methods)
        for name, each in vars(module).items()
        if inspect.isfunction(each) and name != "load"
    }
)
"""Every public function that mixes: the family, the losses, `mixup`, `draw` and `mix`."""


def faults(page, name):
    """Return what the page of the family lacks for a function: one section of its own, its equation, a picture.

    The headings of sections name functions in backticks. In a section of several functions, other than a method and
    its plan (f, draw_f), an equation begins with the names of what it defines.
    """
    sections = [
        (set(re.findall(r"`(\w+)`", text.split("\n", 1)[0])), text) for text in re.split(r"^(?=##)", page, flags=re.M)
    ]
    own = [(names, text) for names, text in sections if name in names and text.startswith("### ")]
    if len(own) != 1:
        return [f"{len(own)} sections"]
    names, text = own[0]
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = re.findall(r"^ {4}(\S.*)$", prose, re.MULTILINE)
    if len({each.removeprefix("draw_") for each in names}) > 1:
        parts = [re.fullmatch(r"(\w+(?:, \w+)*) +(.+)", line) for line in lines]
        lines = [part[2] for part in parts if part and name in part[1].split(", ")]
    pictures = re.findall(r"^!\[[^]]+\]\((images/gallery/\w+\.png)\)$", prose, re.MULTILINE)
    there = [picture for picture in pictures if (ROOT / "docs" / picture).is_file()]
    return ["no equation"] * (not any(map(EQUATION.search, lines))) + ["no picture"] * (not there)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_a_section_with_its_equation_and_a_picture(name):
    page = FAMILY.read_text()
    assert not faults(page, name)
    lines = page.splitlines()
    without_equation = [line for line in lines if not (line.startswith("    ") and EQUATION.search(line))]
    assert "no equation" in faults("\n".join(without_equation), name)
    if re.search(rf"^    {name} ", page, re.MULTILINE):  # its own equation, not one of its section's others
        assert "no equation" in faults("\n".join(line for line in lines if not line.startswith(f"    {name} ")), name)
    assert faults("\n".join(line for line in lines if not line.startswith("![")), name) == ["no picture"]
    assert faults(page.replace("gallery/", "gallery/no_"), name) == ["no picture"]
    assert faults(page.replace(f"`{name}`", name), name) == ["0 sections"]


def test_the_table_of_the_command_line_has_every_method():
    section = FAMILY.read_text().split("## On the command line")[1].split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(CHOICES["mixing"])
    assert f"`--method`, {len(CHOICES['mixing'])} of them" in section


def test_the_pictures_of_the_family_are_those_of_the_gallery_and_small():
    files = {path.stem: path.stat().st_size for path in (ROOT / "docs" / "images" / "gallery").iterdir()}
    assert set(files) == {*gallery.METHODS, *FIGURES, "mixed_samples", "lambda"}
    assert set(files) == set(re.findall(r"\(images/gallery/(\w+)\.png\)", FAMILY.read_text()))
    assert max(files.values()) < 150_000
