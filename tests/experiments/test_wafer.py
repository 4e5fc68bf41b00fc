"""The experiment on wafer maps: rows, tables, and the whole path from maps to a CSV."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from experiments import report, wafer, wafer_run, wafer_tables
from experiments.wafer_figures import pick
from experiments.wafer_predict import predict
from experiments.wafer_presets import NETS, PRESETS, rows
from experiments.wafer_run import read_run, run_wafer
from mixup_jax.config import Optimizer
from mixup_jax.data.wafer_maps import WaferMaps
from mixup_jax.data.wafer_source import WaferSplit
from mixup_jax.models import MODELS
from mixup_jax.report.tables import find_tables
from mixup_jax.training.wafer_config import Composing, WaferConfig, WaferData


def test_rows_are_what_the_tables_promise():
    small = rows("small", PRESETS["small"][1])
    assert {(each.composing.mode, each.composing.head) for each in small.values()} == {
        (mode, head) for mode in ("erm", "mixup", "mixup-multi-hot", "overlay") for head in ("softmax", "sigmoid")
    }
    slides = rows("slides", PRESETS["slides"][1])
    assert len(slides) == 10
    assert all(each.seeds == 5 and each.data.size >= 64 for each in slides.values())
    assert set(NETS) <= set(MODELS)
    assert rows("small", replace(PRESETS["small"][1], only=("erm-softmax",))).keys() == {"erm-softmax"}
    with pytest.raises(ValueError, match=r"only must name rows of small: erm-softmax, .*; got 'erm'"):
        rows("small", replace(PRESETS["small"][1], only=("erm",)))
    small = PRESETS["small"][1]
    with pytest.raises(ValueError, match="head is what the rows of small differ in, got softmax"):
        rows("small", replace(small, config=replace(small.config, composing=Composing(head="softmax"))))


def test_the_climb_begins_with_the_small_tables_overlay_and_ends_with_the_recipe():
    climb = rows("beyond", PRESETS["beyond"][1])
    assert climb["two"] == rows("small", PRESETS["small"][1])["overlay-sigmoid"]
    assert climb["wider"] == PRESETS["beyond"][1].config
    assert list(climb) == list(wafer_tables.STEPS)


def test_train_trains_one_network():
    assert [each.seeds for each in rows("train", PRESETS["train"][1]).values()] == [1]


def tiny_split(shift=0):
    label = np.repeat(np.eye(2, dtype=np.uint8), 4, axis=0)
    maps = (np.arange(8 * 8 * 8).reshape(8, 8, 8) + shift) % 3
    part = WaferMaps("mine", "REAL", ("Arc", "Blob"), maps.astype(np.uint8), label)
    return WaferSplit(part, part, part, part)


def test_a_run_that_was_refused_leaves_its_folder_to_the_corrected_command(tmp_path, monkeypatch):
    maps, config = tiny_split(), WaferConfig(data=WaferData(source="folder:maps", size=8), steps=1)
    with pytest.raises(ValueError, match="there is no training map of Normal"):
        run_wafer(replace(config, data=replace(config.data, normal=True)), maps, tmp_path)
    monkeypatch.setattr(wafer_run, "fit_wafer", lambda *_, **__: (tmp_path / "checkpoints").mkdir())
    monkeypatch.setattr(wafer_run, "evaluate", lambda *_: {"measured": [{}]})
    made = run_wafer(config, maps, tmp_path)
    assert run_wafer(config, maps, tmp_path) == made == read_run(tmp_path)[1]
    with pytest.raises(ValueError, match=r"another configuration: steps is 1 there and 2 here. Choose another"):
        run_wafer(replace(config, steps=2), maps, tmp_path)


def test_numbers_of_other_maps_labels_or_names_are_not_taken_for_these(tmp_path):
    maps, config = tiny_split(), WaferConfig(data=WaferData(source="folder:maps", size=8))
    digest = wafer_run.maps_digest(maps)
    assert digest == wafer_run.maps_digest(tiny_split())
    changed = [
        tiny_split(shift=1),
        replace(maps, mixed=None),
        *(replace(maps, **{name: maps.single.take(np.arange(7))}) for name in ("training", "validation", "single")),
        replace(maps, single=replace(maps.single, label=maps.single.label[::-1])),
        replace(maps, training=replace(maps.training, defects=("Arc", "Ring"))),
    ]
    assert len({digest, *map(wafer_run.maps_digest, changed)}) == 1 + len(changed)
    wafer_run._claim(config, maps, tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for other in changed:
        with pytest.raises(ValueError, match=r"a run on other maps or labels than folder:maps has now; choose another"):
            run_wafer(config, other, tmp_path)


def content(**values):
    single = {"1": 0.9, "mixed": 0.5}
    measured = {name: dict(single) for name in ("top_1_in_set", "recall_at_k", "known_k_exact")}
    for rule in ("argmax", "gap", "threshold", "thresholds", "pattern"):
        measured[rule] = {name: dict(single) for name in ("exact_match", "hamming", "micro_f1", "macro_f1")}
    return {"measured": [measured], "mark": "SYNTHETIC", "source": "generator, low noise", **values}


def test_the_slides_numbers_stand_beside_the_metric_that_fits_them_and_no_other():
    configs = rows("slides", PRESETS["slides"][1])
    table = wafer_tables.main_table("slides", {name: (config, content()) for name, config in configs.items()}, ())
    assert table.columns == ("AlexNet, %", "VGGNet-16, %", "ResNet-18, %", "ResNet-34, %", "ResNet-50, %")
    assert np.mean(table.rows[2].paper) == pytest.approx(72.6)
    assert np.mean(table.rows[3].paper) == pytest.approx(91.2, abs=0.05)
    assert [row.paper == (None,) * 5 for row in table.rows] == [False] * 4 + [True] * 4
    assert table.rows[0].values == ((90.0,),) * 5
    assert "accuracy, not which" in table.rows[2].note


def test_the_other_tables_call_each_metric_by_its_name():
    configs = rows("small", PRESETS["small"][1])
    made = {name: (config, content()) for name, config in configs.items()}
    table = wafer_tables.main_table("small", made, ())
    assert table.columns[:4] == ("single-type accuracy", "top-1-in-set", "recall@k", "known-k exact")
    assert [row.label for row in table.rows][-1] == "overlay, sigmoid"
    by_number = wafer_tables.by_number_table("small", made)
    assert [row.label for row in by_number.rows[:2]] == ["1 defect", "2 and more"]
    assert by_number.columns[3:] == ("exact match", "Hamming accuracy", "micro F1", "macro F1")


def test_false_alarms_on_maps_without_a_defect_are_shown_where_there_are_such_maps():
    made = content()
    made["measured"][0]["thresholds"]["exact_match"]["0"] = 0.75
    table = wafer_tables.by_number_table("train", {"network": (WaferConfig(), made)})
    assert [row.label for row in table.rows] == ["0 defects", "1 defect", "2 and more"]
    shown = dict(zip(table.columns, table.rows[0].values, strict=True))
    assert shown.pop("exact match") == (75.0,)
    assert set(shown.values()) == {()}


def test_options_that_would_do_nothing_are_refused():
    for name, value in (("ema", 0.9), ("accumulate", 2)):
        with pytest.raises(ValueError, match=f"{name} does nothing for wafer maps, got {value}: leave it out"):
            WaferConfig(optimizer=Optimizer(**{name: value}))
    for preset in ("train", "slides"):
        job = PRESETS[preset][1]
        mine = replace(job.config.data, source="folder:maps")
        assert rows(preset, replace(job, config=replace(job.config, data=mine), smoke=True))
        for name, value in (("noise", "low" if preset == "slides" else "high"), ("train_maps", 7), ("test_maps", 7)):
            data = replace(mine, **{name: value})
            with pytest.raises(ValueError, match=f"{name} is for the source generator, got {value} with folder:maps"):
                rows(preset, replace(job, config=replace(job.config, data=data)))


def test_pictures_show_right_and_wrong_maps_and_every_map_once():
    truth, found = ["a"] * 50, ["a"] * 30 + ["b"] * 20
    picked = pick(truth, found)
    assert len(picked) == len(set(picked)) == 12
    assert sum(truth[i] == found[i] for i in picked) == 6
    assert len(pick(truth, truth)) == 12


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Maps of one's own: three types in folders, and a folder of maps to judge."""
    root, generator = tmp_path_factory.mktemp("wafers"), np.random.default_rng(0)
    for name in ("Arc", "Blob", "none", "Arc+Blob"):
        (root / "maps" / name).mkdir(parents=True)
        for number in range(6):
            np.save(root / "maps" / name / f"{number}.npy", generator.integers(0, 3, (10, 10)))
    (root / "new").mkdir()
    np.save(root / "new" / "a.npy", generator.integers(0, 3, (10, 10)))
    np.savez(root / "new" / "b.npz", generator.integers(0, 3, (2, 30, 30)))
    return root


@pytest.mark.slow
def test_ones_own_maps_are_learned_and_a_folder_is_predicted(folders, capsys):
    job = PRESETS["train"][1]
    data = replace(job.config.data, source=f"folder:{folders / 'maps'}", normal=True)
    job = replace(job, config=replace(job.config, data=data), workdir=folders / "run", smoke=True)
    wafer.run("train", job)
    _, made = read_run(folders / "run" / "network")
    assert made["defects"] == ["Arc", "Blob"]
    predict(folders / "run" / "network", folders / "new", folders / "defects.csv")
    with (folders / "defects.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [row["map"] for row in found] == ["b.npz:0", "b.npz:1", "a.npy"]
    threshold = made["rules"][0]["thresholds"]
    for row in found:
        chosen = [name for name, at in zip(("Arc", "Blob"), threshold, strict=True) if float(row[name]) >= at]
        assert row["defects"] == ("+".join(chosen) or "Normal")
    for options, message in (
        ({"rule": "pattern"}, "rule must be one of argmax, gap, threshold, thresholds, got 'pattern'"),
        ({"seed": 1}, "seed must be between 0 and 0, got 1"),
        ({"maps": folders / "maps"}, "holds no maps"),
        ({"run": folders}, "is not the folder of a wafer run"),
    ):
        with pytest.raises(ValueError, match=message):
            predict(**{"run": folders / "run" / "network", "maps": folders / "new"} | options)
    other = replace(job, config=replace(job.config, composing=Composing()))
    with pytest.raises(ValueError, match="holds a run of another configuration"):
        wafer.run("train", other)
    capsys.readouterr()


@pytest.mark.slow
def test_the_smoke_run_leaves_tables_that_the_report_shows(tmp_path, capsys):
    job = replace(PRESETS["small"][1], only=("overlay-sigmoid",), smoke=True, workdir=tmp_path / "small")
    wafer.run("small", job)
    tables, warnings = find_tables([tmp_path])
    assert not warnings
    assert len(tables) == 2
    assert {path for _, table in tables for path, _ in table.figures} == {"figures/confusion.png", "figures/judged.png"}
    report.main((tmp_path,), tmp_path / "report.html")
    assert "exact match, threshold a class" in (tmp_path / "report.html").read_text()
    first = capsys.readouterr().out
    wafer.run("small", job)
    assert "overlay, sigmoid" in first
