"""The tables of the experiment: the layout of the slides, or a row for each configuration."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from experiments.wafer.config import WaferConfig
from experiments.wafer.decisions import DEFAULT_RULE
from experiments.wafer.presets import AS_SLIDES, NETS
from experiments.wafer.run import Content
from mixup_jax.report.tables import Row, Table

PLAIN = ("of any types", "with the background of each", "sigmoid", "not turned", "judged as it is")
"""Defaults, which a row mentions only where they are new."""


def words(config: WaferConfig, before: WaferConfig | None = None) -> str:
    """Describe how a network is trained; with `before`, only what differs from that configuration.

    >>> from dataclasses import replace
    >>> start = WaferConfig(steps=500)
    >>> words(start)
    'overlay of two maps, 400 maps of each defect, 500 steps, width 32'
    >>> words(replace(start, steps=2000), start)
    '+ 2,000 steps in place of 500'
    """
    if config.data.learn_mixed:
        return "no recipe: learned from mixed maps, as a bound"
    texts, counts = _texts(config), _counts(config)
    if before is None:
        shown = [text for text in texts if text not in PLAIN]
        return ", ".join(shown + [text.format(count) for text, count in counts.items()])
    new = [text for text, old in zip(texts, _texts(before), strict=True) if text != old]
    pairs = [(text, counts[text], old) for text, old in _counts(before).items()]
    new += [f"{text.format(count)} in place of {old:,}" for text, count, old in pairs if count != old]
    return f"+ {', '.join(new)}" if new else "the same again"


def _texts(config: WaferConfig) -> list[str]:
    composing = config.composing
    two = composing.maps == 2 and composing.probability == 1
    often = f", each further one with probability {composing.probability:g}" if composing.probability < 1 else ""
    return [
        "overlay of two maps" if two else f"overlay of up to {composing.maps}{often}",
        "of any types" if composing.pairs == "any" else "of types that occur together",
        f"with the background of {'each' if composing.background == 'add' else 'one map'}",
        composing.head,
        "turned and mirrored" if config.data.turns else "not turned",
        "judged by the mean of eight turns" if config.data.turns and config.data.average else "judged as it is",
    ]


def _counts(config: WaferConfig) -> dict[str, int]:
    maps = {"{:,} maps of each defect": config.data.train_maps} if config.data.source == "generator" else {}
    return maps | {"{:,} steps": config.steps, "width {}": config.model.width}


Results = Mapping[str, tuple[WaferConfig, Content]]
Values = tuple[float, ...]
Figures = tuple[tuple[str, str], ...]

SLIDES = {  # test, training -> per cent, a column for each of NETS
    ("1", "plain"): (97.7, 98.1, 97.8, 97.7, 97.7),
    ("1", "mixup"): (97.0, 97.4, 97.1, 97.0, 97.2),
    ("mixed", "plain"): (71.5, 67.8, 73.8, 75.0, 74.9),
    ("mixed", "mixup"): (87.2, 96.4, 92.8, 89.5, 90.2),
}
SOURCE = "DMQA seminar (November 2020), on wafer maps that the slides do not name."
UNSAID = "The slides say accuracy, not which; top-1-in-set fits the size of their numbers."

NINE: list[tuple[str, tuple[str, ...], str]] = [
    ("single types: accuracy of nine classes", ("argmax", "exact_match", "1"), "1"),
    ("no defect: accuracy of nine classes", ("argmax", "exact_match", "0"), ""),
]
"""Rows of a softmax over the defects and "none"."""

HEADLINE: dict[str, tuple[str, ...]] = {
    "exact match: one defect": (DEFAULT_RULE, "exact_match", "1"),
    "exact match: no defect": (DEFAULT_RULE, "exact_match", "0"),
    "exact match: several defects": (DEFAULT_RULE, "exact_match", "mixed"),
}
"""The first columns of the main table, and where they are in the measurements: how often `predict` is right."""
FURTHER: dict[str, tuple[str, ...]] = {
    "false alarms: no defect": (DEFAULT_RULE, "false_alarms", "0"),
    "several, by a gap": ("gap", "exact_match", "mixed"),
    "several, by one threshold": ("threshold", "exact_match", "mixed"),
    "several, by the likeliest pattern": ("pattern", "exact_match", "mixed"),
    "single-type accuracy": ("top_1_in_set", "1"),
    "top-1-in-set": ("top_1_in_set", "mixed"),
    "recall@k": ("recall_at_k", "mixed"),
    "known-k exact": ("known_k_exact", "mixed"),
}
"""Exact match by other rules, and weaker metrics."""
BY_NUMBER: dict[str, tuple[str, ...]] = {
    "exact match": (DEFAULT_RULE, "exact_match"),
    "top-1-in-set": ("top_1_in_set",),
    "recall@k": ("recall_at_k",),
    "known-k exact": ("known_k_exact",),
    "Hamming accuracy": (DEFAULT_RULE, "hamming"),
    "micro F1": (DEFAULT_RULE, "micro_f1"),
    "macro F1": (DEFAULT_RULE, "macro_f1"),
}
CONTROLS = {
    "plain": "plain",
    "mixup": "mixup",
    "any": "overlays of any types",
    "best": "overlays of types that occur together (the recipe)",
    "reference": "learned from mixed maps, thresholds chosen on mixed maps (a reference, no recipe)",
}
"""Titles of the rows of the preset controls."""
PREDICTED = "Exact match counts the maps whose set of defects, as predict chooses it, is right, no more and no less."
ALWAYS = " No map without a defect was learned or tested: predict names a defect on every map."
OVERLAYS = "The source has no maps with several defects: tested on overlays of held-out maps, not on real mixed maps."


def main_table(preset: str, results: Results, figures: Figures) -> Table:
    """Make the table of a preset: in the layout of the slides for "slides", else a row for each configuration."""
    if preset in AS_SLIDES:
        return slides_table(preset, results, figures)
    titles = row_titles(preset, results)
    columns = {
        name: path
        for name, path in (HEADLINE | FURTHER).items()
        if any(per_cent(made, *path) for _, made in results.values())
    }
    rows = [row(titles[name], made, columns.values()) for name, (_, made) in results.items()]
    seen = any(config.data.learn_mixed for config, _ in results.values())
    normal = any(config.data.normal for config, _ in results.values())
    but = ", but for the row learned from mixed maps" if seen else ""
    text = (
        f"Per cent. {PREDICTED} Single-type accuracy is of maps with one defect, the rest of several. Trained on "
        f"maps with one defect{' or none' if normal else ''} only{but}; gap and "
        f"thresholds are chosen on held-out maps of these and overlays of them.{'' if normal else ALWAYS}"
    )
    return _table(preset, results, text, tuple(columns), tuple(rows), figures)


def by_number_table(preset: str, results: Results) -> Table:
    """Make a table of the metrics by number of defects, with a threshold for each class."""
    rows, titles = [], row_titles(preset, results)
    for name, (_, made) in results.items():
        for number in numbers(made):
            label = {"1": "1 defect", "mixed": "2 and more"}.get(number, f"{number} defects")
            label += ", overlays" if overlays(made) and number not in ("0", "1") else ""
            made_of = [(*path, number) for path in BY_NUMBER.values()]
            rows.append(replace(row(label, made, made_of), group=titles[name]))
    text = "Per cent, by the number of defects of a map; sets are chosen with a threshold for each class."
    return _table(f"{preset}, by number of defects", results, text, tuple(BY_NUMBER), tuple(rows), ())


def numbers(content: Content) -> list[str]:
    """Return the numbers of defects for which a metric was measured, in order, "mixed" last.

    Only exact match is measured on maps without a defect: the rest are false alarms.

    >>> numbers({"measured": [{"top_1_in_set": {"1": 1, "mixed": 1}, "thresholds": {"exact_match": {"1": 1, "0": 1}}}]})
    ['0', '1', 'mixed']
    """
    found = {number for path in BY_NUMBER.values() for number in _find(content["measured"][0], path)}
    return sorted(found, key=lambda number: (number == "mixed", len(number), number))


def slides_table(preset: str, results: Results, figures: Figures) -> Table:
    """Make the table of the slides: a column for each network, rows for single and mixed types, plain and mixup."""
    nine = any(config.none_class for config, _ in results.values())
    nets = [net for net in NETS if any(name.startswith(f"{net}-") for name in results)]
    groups: list[tuple[str, tuple[str, ...], str]] = [
        ("single types: exact match, threshold a class", HEADLINE["exact match: one defect"], ""),
        ("mixed types: exact match, threshold a class", HEADLINE["exact match: several defects"], ""),
        *(NINE if nine else [("single types: accuracy", ("top_1_in_set", "1"), "1")]),
        ("mixed types: top-1-in-set", ("top_1_in_set", "mixed"), "mixed"),
        ("mixed types: known-k exact", ("known_k_exact", "mixed"), ""),
    ]
    laid = any(overlays(content) for _, content in results.values())
    rows = []
    for group, path, test in groups:
        for mode in ("plain", "mixup"):
            made = [results.get(f"{net}-{mode}") for net in nets]
            values = tuple(per_cent(each[1], *path) if each else () for each in made)
            paper = SLIDES.get((test, mode), (None,) * len(NETS))
            shown = tuple(paper[list(NETS).index(net)] for net in nets)
            name = group.replace("mixed types", "overlays of single types") if laid else group
            rows.append(Row(mode, values, shown, group=name, note=UNSAID if test == "mixed" else ""))
    text = f"{PREDICTED} Trained on maps with one defect{' or none' if nine else ''} only. The slides' numbers stand "
    text += "beside what fits their size."
    return _table(preset, results, text, tuple(f"{NETS[net]}, %" for net in nets), tuple(rows), figures, SOURCE)


def row(label: str, content: Content, paths: Collection[tuple[str, ...]]) -> Row:
    """Make a row of metrics that the slides do not have."""
    return Row(label, tuple(per_cent(content, *path) for path in paths), (None,) * len(paths))


def per_cent(content: Content, *path: str) -> Values:
    """Return a metric of every seed in per cent, nothing where it was not measured."""
    return tuple(100 * found for each in content["measured"] if (found := _find(each, path)) != {})


def _find(measured: Any, path: Collection[str]) -> Any:
    for key in path:
        measured = measured.get(key, {})
    return measured


def row_titles(preset: str, results: Results) -> dict[str, str]:
    """Return a title for each row: its mode and head, or for "beyond" what differs from the row before."""
    configs = {name: config for name, (config, _) in results.items()}
    if preset == "controls":
        return {name: CONTROLS.get(name, name) for name in configs}
    if preset != "beyond":
        bound = {name: words(each) for name, each in configs.items() if each.data.learn_mixed}
        return {name: f"{each.composing.mode}, {each.composing.head}" for name, each in configs.items()} | bound
    before = [None, *configs.values()]
    return {name: words(config, last) for (name, config), last in zip(configs.items(), before, strict=False)}


def overlays(content: Content) -> bool:
    """Return whether the test maps with several defects were overlays."""
    return content.get("mixed") == "overlays"


def _table(preset: str, results: Results, text: str, columns: Any, rows: Any, figures: Any, source: str = "") -> Table:
    config, content = next(iter(results.values()))
    laid = overlays(content)
    return Table(
        experiment="wafer",
        title=f"Wafer maps with several defects{', tested on overlays' if laid else ''} ({preset})",
        text=f"{text} {OVERLAYS}" if laid else text,
        mark=content["mark"],
        dataset=content["source"],
        model=", ".join(dict.fromkeys(each.model.name for each, _ in results.values())),
        columns=columns,
        rows=rows,
        seeds=tuple(range(config.seed, config.seed + config.seeds)),
        source=source,
        figures=figures,
    )
