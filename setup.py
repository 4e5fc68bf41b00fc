"""What PyPI shows: README.md, with links that lead somewhere from there. All else is in pyproject.toml."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
SOURCE = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"].get("Source")
CODE = (HERE / "mixup_jax" / "__init__.py").read_text(encoding="utf-8")
README = (HERE / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"(!?)\[([^\[\]]+)\]\((?!https?:|#)([^)]+)\)")


def absolute(link: re.Match) -> str:
    """Return a link to a file as one to its tag at Source; its words alone, while pyproject.toml has no Source."""
    image, words, path = link.groups()
    if not SOURCE:
        return "" if image else words
    tag = "v" + re.findall('^__version__ = "(.*)"$', CODE, re.MULTILINE)[0]
    return f"{image}[{words}]({SOURCE}/{'raw' if image else 'blob'}/{tag}/{path})"


setup(long_description=LINK.sub(absolute, README), long_description_content_type="text/markdown")
