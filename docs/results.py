"""Write the result tables of README and docs from docs/results.json, the numbers with what is needed to run them again.

    python docs/results.py           # write the tables between <!-- results NAME --> and <!-- end --> anew
    python docs/results.py --check   # status 1 where a page shows something else

A table says its command, commit, date, seeds, data and mark, whether it was registered before it was run, what was
chosen on which data, and over what its intervals are. A value is a number, `[mean, half of the 95 % interval]`, with n
as a third number where it is not the table's, or null. In columns of kind `difference` bold is what Student's t-test
tells from 0 with Holm's correction over all differences of the table (p < 0.05); a column of kind `p` shows the p-value
of the column before it. Claims are the rows of README's table: `{NAME:ROW:COLUMN}` in their text is a value; what does
not show says the smallest effect that could have, what is not testable here what others found.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from mixup_jax.report.statistics import Summary, holm  # noqa: E402

BLOCK = re.compile(r"(<!-- results ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
VERDICTS = {"shows": None, "does not show": "smallest", "not testable here": "elsewhere"}
"""What shows of a claim, and the field that must then stand beside its text."""


def p_values(table: dict[str, Any]) -> dict[tuple[int, int], float]:
    """Return the corrected p-value of each difference, by its row and column."""
    places, found = [], []
    for i, row in enumerate(table["rows"]):
        for k, (value, column) in enumerate(zip(row["values"], table["columns"], strict=True)):
            if column.get("kind") == "difference" and isinstance(value, list):
                mean, half, n = (*value, table["n"])[:3]
                places.append((i, k))
                found.append(Summary(mean, None, mean - half, mean + half, n).p)
    return dict(zip(places, holm(found), strict=True))


def shown(value: Any, digits: int) -> str:
    """Return a value as text.

    >>> shown([-1.337, 0.2301], 2), shown(4, 1), shown(None, 1)
    ('-1.34 ± 0.23', '4.0', '')
    """
    if value is None:
        return ""
    numbers = value[:2] if isinstance(value, list) else [value]
    return " ± ".join(f"{number:.{digits}f}" for number in numbers)


def markdown(table: dict[str, Any]) -> str:
    """Return the table of a page."""
    columns, p = table["columns"], p_values(table)
    lines = [[*table["labels"], *(column["name"] for column in columns)]]
    for i, row in enumerate(table["rows"]):
        cells = []
        for k, (value, column) in enumerate(zip(row["values"], columns, strict=True)):
            text = shown(value, column["digits"])
            if column.get("kind") == "p" and (i, k - 1) in p:
                text = f"{p[i, k - 1]:.2g}"
            cells.append(f"**{text}**" if p.get((i, k), 1.0) < 0.05 else text)
        lines.append([*row["labels"], *cells])
    rows = [f"| {' | '.join(line)} |\n".replace("|  |", "| |").replace("|  |", "| |") for line in lines]
    return "".join([rows[0], "|---" * len(lines[0]) + "|\n", *rows[1:]])


def claims(results: dict[str, Any]) -> str:
    """Return README's table: what the paper says, and what shows."""
    tables = results["tables"]

    def value(found: re.Match[str]) -> str:
        name, row, column = found.groups()
        digits = tables[name]["columns"][int(column)]["digits"]
        return shown(tables[name]["rows"][int(row)]["values"][int(column)], digits)

    lines = ["| paper | what it says of mixup | here |", "|---|---|---|"]
    for claim in results["claims"]:
        text = re.sub(r"\{([\w-]+):(\d+):(\d+)\}", value, claim["text"])
        needed = VERDICTS[claim["verdict"]]
        beside = {"smallest": "smallest difference that could have shown: ", "elsewhere": "others: "}
        here = f"**{claim['verdict']}**: {text}" + (f"; {beside[needed]}{claim[needed]}" if needed else "")
        lines.append(f"| [{claim['paper']}]({claim['page']}) | {claim['says']} | {here} |")
    return "\n".join(lines) + "\n"


def written(page: str, results: dict[str, Any]) -> str:
    """Return a page with its tables written anew; raises KeyError for a name that is not in results.json."""

    def block(found: re.Match[str]) -> str:
        name = found[2]
        return found[1] + (claims(results) if name == "claims" else markdown(results["tables"][name])) + found[3]

    return BLOCK.sub(block, page)


def pages() -> list[Path]:
    """Return the pages that may hold tables."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def main(check: bool) -> int:
    """Write the pages, or compare them."""
    results = json.loads((ROOT / "docs/results.json").read_text())
    stale = 0
    for path in pages():
        old = path.read_text()
        new = written(old, results)
        if new != old:
            stale += 1
            print(path.relative_to(ROOT))
            if not check:
                path.write_text(new)
    return int(check and stale > 0)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
