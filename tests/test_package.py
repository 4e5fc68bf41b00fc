"""The wheel holds the library, jax alone runs its functions, and its extras are what the README installs."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mixup_jax
from mixup_jax import methods

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAME = re.compile(r"[\w.-]+")
RELATIVE = re.compile(r"\]\((?!https?://)[^)]*\)")
"""A link that leads nowhere outside of the project."""
FUNCTIONS = """
import jax, jax.numpy as jnp
from mixup_jax import Mix, draw, mix, mixed_cross_entropy, mixup
from mixup_jax import methods
from mixup_jax.methods.table import METHODS
rng, x, ids = jax.random.key(0), jnp.ones((8, 8, 8, 3)), jnp.arange(8)
y = jax.nn.one_hot(ids, 10)
for name, method in METHODS.items():
    image, label = jax.jit(method.apply)(rng, x, y, 1.0)
    assert image.shape == x.shape and label.shape == y.shape, name
loss = mixed_cross_entropy(jnp.zeros((8, 10)), ids, draw(rng, 8, 1.0, partner=methods.different_class(rng, ids)))
assert jnp.allclose(loss, jnp.log(10))
"""
COPIES = """
import jax, jax.numpy as jnp
from losses import mixed_cross_entropy
from mixing import draw, mix
plan = draw(jax.random.key(0), 4, 1.0)
assert mix(plan, jnp.eye(4)).shape == (4, 4)
assert jnp.allclose(mixed_cross_entropy(jnp.zeros((4, 10)), jnp.arange(4), plan), jnp.log(10))
"""


def requirements(file):
    """Return the lines of a file of requirements, without comments and other files."""
    lines = [line.split("#")[0].strip() for line in (ROOT / file).read_text().splitlines()]
    return {line for line in lines if line and not line.startswith("-")}


def expanded(extra):
    """Return what an extra installs beside the package's own dependencies, extras within it expanded."""
    found = set()
    for each in PROJECT["optional-dependencies"][extra]:
        inner = re.fullmatch(r"mixup-jax\[(.+)\]", each)
        found |= set().union(*map(expanded, inner[1].split(","))) if inner else {each}
    return found


def test_requirements_and_extras_agree():
    assert requirements("requirements.txt") == {*PROJECT["dependencies"], *expanded("all")}
    for extra in ("tensorboard", "gcs"):
        assert expanded(extra) <= requirements("requirements-dev.txt")


def test_citation_and_changelog_name_the_version():
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.search(rf"^version: {mixup_jax.__version__}$", citation, re.MULTILINE)
    assert f"## [{mixup_jax.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    assert PROJECT["license"] == re.search(r"^license: (\S+)$", citation, re.MULTILINE)[1]


@pytest.mark.parametrize("source", ["", "https://example.org/mixup_jax"])
def test_pypi_gets_a_readme_whose_links_lead_somewhere(tmp_path, monkeypatch, source):
    for part in ("setup.py", "README.md", "pyproject.toml", "mixup_jax/__init__.py"):
        (tmp_path / part).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / part, tmp_path / part)
    given = (ROOT / "pyproject.toml").read_text()
    urls = f"[project.urls]\nSource = '{source}'\n" if source else "[project.urls]\n"
    (tmp_path / "pyproject.toml").write_text(re.sub(r"\[project.urls\]\n(Source.*\n)?", urls, given))
    told = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: told.update(options))
    runpy.run_path(str(tmp_path / "setup.py"))
    text = told["long_description"]
    assert not RELATIVE.search(text)
    assert "https://arxiv.org/abs/1710.09412" in text
    assert "mixup(rng, x, y, alpha=1.0)" in text
    tag = f"{source}/{{}}/v{mixup_jax.__version__}"
    assert (f"]({tag.format('blob')}/docs/api.md)" in text) == bool(source)
    assert (f"]({tag.format('raw')}/docs/images/mixed_samples.png)" in text) == bool(source)


@pytest.mark.parametrize("file", sorted((ROOT / "constraints").glob("*.txt")), ids=lambda file: file.stem)
def test_constraints_hold_a_version_of_all_that_is_required(file):
    pinned = dict(line.split("==") for line in requirements(file.relative_to(ROOT)))
    pinned = {canonicalize_name(name): version for name, version in pinned.items()}
    python = file.stem.removeprefix("python")
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]
    for each in map(Requirement, requirements("requirements.txt") | requirements("requirements-dev.txt")):
        if each.name != "setuptools":  # which pip freeze leaves out before Python 3.12
            assert each.specifier.contains(pinned[canonicalize_name(each.name)]), each


@pytest.mark.parametrize("module", [mixup_jax, methods])
def test_the_page_lists_all_public_names_and_no_others(module):
    page = (ROOT / "docs" / "api.md").read_text()
    [line] = re.findall(rf"^\* `{module.__name__}`(.*?)(?=^\* )", page, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", line)) - {"__version__"} == set(module.__all__)


def closure(name, found=None):
    """Return the names of a distribution and of all that it requires without extras."""
    found = set() if found is None else found
    try:
        required = distribution(name).requires or []
    except PackageNotFoundError:  # for another platform
        return found
    found.add(name)
    for each in required:
        if "extra ==" not in each and (needed := NAME.match(each)[0]) not in found:
            closure(needed, found)
    return found


@pytest.fixture(scope="module")
def jax_alone(tmp_path_factory):
    """A folder with links to jax and what it requires, and nothing else."""
    folder = tmp_path_factory.mktemp("jax")
    for name in closure("jax"):
        installed = distribution(name)
        for top in {file.parts[0] for file in installed.files if file.parts[0] != ".."}:
            if not (folder / top).exists():
                (folder / top).symlink_to(installed.locate_file(top))
    return folder


def run(code, *folders):
    """Run code in a process that can import from these folders and the standard library only."""
    script = f"import sys; sys.path[:0] = {[str(folder) for folder in folders]}\n{code}"
    command = [sys.executable, "-I", "-S", "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, env=os.environ | {"PYTHONPATH": ""})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.thorough
def test_the_functions_and_the_losses_can_be_copied(jax_alone, tmp_path):
    for name in ("mixing", "losses"):
        text = (ROOT / "mixup_jax" / f"{name}.py").read_text()
        (tmp_path / f"{name}.py").write_text(text.replace("from mixup_jax.mixing import", "from mixing import"))
    run(COPIES, tmp_path, jax_alone)


def test_what_needs_more_than_jax_says_in_a_line_what_to_install(jax_alone, tmp_path):
    with pytest.raises(AssertionError, match=r"mixup_jax.load needs .* is not installed: the extra \[all\]"):
        run("import mixup_jax; mixup_jax.load('run')", jax_alone, ROOT)
    for command in ("experiments", "experiments.cifar"):
        script = (
            f"import sys, runpy; sys.path[:0] = {[str(jax_alone), str(ROOT)]}; runpy._run_module_as_main({command!r})"
        )
        done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, timeout=100)
        assert done.returncode == 1
        assert re.search("tyro is not installed; .*pip install -r requirements.txt", done.stderr)
        assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy of the sources: setuptools would leave its folders among them."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for part in ("mixup_jax", "experiments"):
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "requirements.txt"):
        shutil.copy(ROOT / part, source)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, "-w", folder, source], check=True, timeout=500)
    [built] = folder.glob("*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_the_library_alone_its_types_and_its_licence(wheel):
    names = ZipFile(wheel).namelist()
    info = f"mixup_jax-{mixup_jax.__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"mixup_jax", info}
    assert {"mixup_jax/py.typed", f"{info}/licenses/LICENSE"} <= set(names)
    ours = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "mixup_jax").rglob("*")
        if path.suffix in (".py", ".html", ".js")
    }
    assert ours <= set(names)
    metadata = ZipFile(wheel).read(f"{info}/METADATA").decode()
    needed = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and "extra ==" not in line]
    assert [NAME.match(line.split(": ")[1])[0] for line in needed] == ["jax"]
    assert f"Version: {mixup_jax.__version__}\n" in metadata
    assert "mixup(rng, x, y, alpha=1.0)" in metadata
    assert not RELATIVE.search(metadata)


@pytest.mark.slow
def test_the_wheel_runs_where_jax_alone_is_installed(wheel, jax_alone, tmp_path):
    options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target", tmp_path]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, wheel], check=True, timeout=500)
    found = run(FUNCTIONS + "import mixup_jax; print(mixup_jax.__file__)", tmp_path, jax_alone)
    assert Path(found.strip()).is_relative_to(tmp_path)
