"""Wafer maps: recognise several defects at once, learned from maps with one defect only.

Slides (DMQA seminar, 2020), mean over five nets of "accuracy", which they do not define: single types 97.8 % plain,
97.1 % mixup; mixed types 72.6 % plain, 91.2 % mixup.

    python -m experiments.wafer small                                   # modes and heads; two CPU cores
    python -m experiments.wafer beyond --noise high                     # to the best recipe; two CPU cores
    python -m experiments.wafer controls                                # the recipe beside plain, mixup, a reference
    python -m experiments.wafer slides                                  # the slides' table; an accelerator
    python -m experiments.wafer wm811k --source wm811k:LSWMD.pkl        # the same on real maps, split by lots
    python -m experiments.wafer patterns -o patterns.png                # a sheet of the 38 patterns, or of your maps
    python -m experiments.wafer train --source npz:maps.npz             # one network, on maps of your own
    python -m experiments.wafer predict runs/wafer/train-npz/network maps/  # a folder of maps to a CSV
"""

import sys
from dataclasses import replace
from pathlib import Path

from experiments.commands.command_line import given_options, parse
from experiments.commands.errors import call, one_line_errors
from experiments.commands.paper_table import write_table
from experiments.commands.running import cache_compilations
from experiments.wafer.config import WaferConfig
from experiments.wafer.predict import predict
from experiments.wafer.presets import PRESETS, WaferJob, rows, with_one_length
from experiments.wafer.run import Content, run_wafer
from experiments.wafer.sources import WaferSplit, load_wafer
from experiments.wafer.tables import by_number_table, main_table


def main() -> None:
    """Run the command line: predict, patterns, or a preset and its options."""
    if sys.argv[1:2] == ["predict"]:
        del sys.argv[1]
        cache_compilations()
        call(predict, prog="python -m experiments.wafer predict")
        return
    if sys.argv[1:2] == ["patterns"]:
        from experiments.wafer.sheet import patterns

        del sys.argv[1]
        cache_compilations()
        call(patterns, prog="python -m experiments.wafer patterns")
        return
    text = f"{__doc__}\n`predict --help` and `patterns --help` have their own options."
    preset, job = parse("wafer", text, PRESETS, "small", sys.argv[1:])
    job = replace(job, config=with_one_length(job.config, given_options(sys.argv[1:])))
    cache_compilations()  # after the processes of a run have found each other
    run(preset, job)


def run(preset: str, job: WaferJob) -> None:
    """Train the rows of a preset that are not done, and write its tables and figures."""
    from experiments.wafer.figures import draw_figures

    folder = job.workdir or Path("runs") / "wafer" / "-".join(folder_words(preset, job))
    configs = rows(preset, job)
    maps: dict[tuple, WaferSplit] = {}
    results: dict[str, tuple[WaferConfig, Content]] = {}
    for name, config in configs.items():
        key = data_key(config)
        if key not in maps:
            maps = {key: load_wafer(key[0], **dict(key[1:]))}
        print(f"{name}", flush=True)
        training = maps[key].training
        learned = len(training) if config.data.normal else int((training.number > 0).sum())
        config = config.in_steps(learned)
        results[name] = config, run_wafer(config, maps[key], folder / name, title=f"wafer {name}")
    recipes = [name for name, config in configs.items() if not config.data.learn_mixed]
    last = (recipes or list(configs))[-1]
    tested = next(iter(maps.values()))  # of any row: the test maps do not depend on the training maps
    figures = draw_figures(folder, folder / last, last, tested)
    contents = [content for _, content in results.values()]
    write_table(folder, main_table(preset, results, figures), contents)
    write_table(folder / "by_number", by_number_table(preset, results), contents)
    print(f"\n{folder}: table.json, by_number/, figures/, a folder for each row; python -m experiments.report {folder}")


def folder_words(preset: str, job: WaferJob) -> list[str]:
    """Return the parts of a folder's name: the preset, the generator's noise or the kind of the source, and "smoke".

    >>> folder_words("train", WaferJob()), folder_words("small", WaferJob(smoke=True))
    (['train', 'low'], ['small', 'low', 'smoke'])
    """
    kind = job.config.data.source.partition(":")[0]
    return [preset, job.config.data.noise if kind == "generator" else kind, *["smoke"] * job.smoke]


def data_key(config: WaferConfig) -> tuple:
    """Return the fields on which the maps of a configuration depend."""
    data = config.data
    names = ("noise", "train_maps", "test_maps", "size", "learn_mixed", "choose_mixed", "test_seed")
    normal = data.normal and data.learn_mixed  # otherwise they are drawn, and left out in training
    return (data.source, *((name, getattr(data, name)) for name in names), ("normal", normal))


if __name__ == "__main__":
    with one_line_errors():
        main()
