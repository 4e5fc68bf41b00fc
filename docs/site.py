"""Hooks of the documentation site: pages that are made when it is built, and links to what the site does not hold.

README, CONTRIBUTING and CHANGELOG become pages. A link to a file of the project that is no page becomes its path, as
code.
"""

import ast
import re
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any

import griffe
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
MADE = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
LINK = re.compile(r"(?<!!)\[((?:[^\[\]]|\[[^\]]*\])+)\]\(([^)\s#:]+)(#[^)\s]*)?\)")

LINK_BELOW = re.compile(r"^(\[[^\]]+\]: )docs/", re.MULTILINE)
DOCTEST = re.compile(r"(?:^>>> .*\n?(?:^\S.*\n?)*)+", re.MULTILINE)


class Examples(griffe.Extension):
    """Show the examples of docstrings as code."""

    def on_instance(self, *, obj: Any, **others: Any) -> None:
        """Put fences around the examples of a docstring."""
        if obj.docstring:
            obj.docstring.value = DOCTEST.sub(
                lambda found: f"```python\n{found[0].rstrip()}\n```\n", obj.docstring.value
            )


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made of files outside of docs/, and the reference."""
    for page, name in MADE.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text()))
    files.append(File.generated(config, "reference.md", content=reference()))
    return files


def reference() -> str:
    """Return a page of all public functions of the library, from their docstrings."""
    text = "# Every public function\n\nFrom their docstrings, whose examples are run by the tests.\n"
    for module in ("mixup_jax", "mixup_jax.methods"):
        code = (ROOT / module.replace(".", "/") / "__init__.py").read_text()
        public = ast.literal_eval(code.split("__all__ = ")[1].split("]")[0] + "]")
        places = {  # a function may have the name of its module
            alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(ast.parse(code))
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        text += f"\n## {module}\n\n"
        text += "".join(f"::: {places.get(name, f'{module}.{name}')}\n\n" for name in public)
    return text


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Point links at the site's pages."""
    source = page.file.src_uri
    folder = PurePosixPath(MADE[source]).parent if source in MADE else PurePosixPath("docs", source).parent

    def link(found: re.Match[str]) -> str:
        text, target, anchor = found[1], found[2], found[3] or ""
        place = normpath(folder / target)
        made = {name: made for made, name in MADE.items()}
        inside = made.get(place) or (place.removeprefix("docs/") if place.startswith("docs/") else None)
        if inside is None or files.get_file_from_path(inside) is None:
            return f"`{place}`" if text.strip("`") in place else f"{text} (`{place}`)"
        up = "../" * (len(PurePosixPath(source).parts) - 1)
        return f"[{text}]({up}{inside}{anchor})"

    markdown = LINK.sub(link, markdown)
    if source not in MADE:
        return markdown
    return LINK_BELOW.sub(r"\1", re.sub(r"(!\[[^\]]*\]\()docs/", r"\1", markdown))
