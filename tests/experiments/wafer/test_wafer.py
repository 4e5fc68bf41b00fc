"""The experiment on wafer maps: rows, tables, and the whole path from maps to a CSV."""

import csv
import json
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from experiments import report
from experiments.predict import __main__ as any_kind
from experiments.wafer import __main__ as wafer
from experiments.wafer import run
from experiments.wafer.config import MapMixing, WaferConfig, WaferData
from experiments.wafer.figures import pick
from experiments.wafer.maps import WaferMaps
from experiments.wafer.patterns import DEFECTS, MIXED
from experiments.wafer.predict import predict, read_all
from experiments.wafer.presets import NETS, PRESETS, WaferJob, rows
from experiments.wafer.run import read_run, run_wafer
from experiments.wafer.sources import WaferSplit, generate
from mixup_jax.models import MODELS
from mixup_jax.report.tables import find_tables
from mixup_jax.runtime import run_folder as record
from mixup_jax.runtime.atomic import write_json


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
        rows("small", replace(small, config=replace(small.config, composing=MapMixing(head="softmax"))))


def test_the_ablation_begins_with_the_small_tables_overlay_and_ends_with_the_recipe_and_its_bound():
    job = PRESETS["beyond"][1]
    ablation = rows("beyond", job)
    assert ablation["two"] == rows("small", PRESETS["small"][1])["overlay-sigmoid"]
    assert ablation["best"] == job.config
    *recipes, bound = ablation.values()
    assert bound.data.learn_mixed
    assert not any(each.data.learn_mixed for each in recipes)
    assert (bound.model, bound.steps, bound.optimizer) == (job.config.model, job.config.steps, job.config.optimizer)
    generated = {name: getattr(job.config.data, name) for name in ("noise", "train_maps", "test_maps")}
    own = replace(job, config=replace(job.config, data=WaferData(source="npz:mine.npz", turns=True, **generated)))
    assert list(rows("beyond", own)) == list(ablation)[:-1]  # a file's mixed maps are tested on


def test_controls_have_as_much_of_everything_as_the_recipe():
    found = rows("controls", PRESETS["controls"][1])
    best = found["best"]
    assert list(found) == ["plain", "mixup", "any", "best", "reference"]
    assert best.composing == PRESETS["beyond"][1].config.composing
    assert best.data.normal
    for name, config in found.items():
        assert replace(config, composing=best.composing, data=best.data) == best, name
        same = replace(config.data, learn_mixed=False, choose_mixed=False, train_maps=best.data.train_maps)
        assert same == best.data, name
    assert found["any"].composing == replace(best.composing, pairs="any")
    assert [found[name].composing.mode for name in ("plain", "mixup")] == ["erm", "mixup"]
    assert found["reference"].data.choose_mixed


def test_the_real_sets_presets_have_epochs_of_their_own_size():
    for preset in ("slides", "mixedwm38", "wm811k"):
        for config in rows(preset, PRESETS[preset][1]).values():
            assert config.none_class
            assert config.in_steps(20_000).steps == 7813  # 100 epochs
    train = replace(PRESETS["train"][1].config, epochs=2.0)  # in place of the preset's steps
    assert rows("train", WaferJob(train))["network"].in_steps(3200).steps == 200


@pytest.mark.parametrize("steps", [7, PRESETS["wm811k"][1].config.steps])
def test_steps_that_are_given_take_the_place_of_the_presets_epochs(monkeypatch, steps):
    jobs = []
    monkeypatch.setattr(wafer, "run", lambda preset, job: jobs.append(job))
    monkeypatch.setattr(sys, "argv", ["wafer", "wm811k", "--steps", str(steps)])
    wafer.main()
    assert {each.in_steps(10**6).steps for each in rows("wm811k", *jobs).values()} == {steps}
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--epochs", "2"])
    with pytest.raises(ValueError, match=f"steps {steps} and epochs 2 both say how long"):
        wafer.main()


@pytest.mark.thorough
def test_the_bound_learns_from_other_maps_of_every_pattern_than_it_is_tested_on():
    maps = generate("low", 1, 1, 16, learn_mixed=True)
    assert len(maps.training) == len(np.unique(maps.training.label, axis=0)) == 37
    recipe = generate("low", 1, 1, 16)
    assert recipe.training.number.max() == 1
    for name in ("validation", "single", "mixed"):
        assert np.array_equal(getattr(maps, name).maps, getattr(recipe, name).maps)
    learned = {each.tobytes() for each in maps.training.maps}
    assert not learned & {each.tobytes() for each in (*maps.mixed.maps, *maps.single.maps)}


def test_train_trains_one_network():
    assert [each.seeds for each in rows("train", PRESETS["train"][1]).values()] == [1]


def tiny_split(shift=0):
    label = np.repeat(np.eye(2, dtype=np.uint8), 4, axis=0)
    maps = (np.arange(8 * 8 * 8).reshape(8, 8, 8) + shift) % 3
    part = WaferMaps("mine", "REAL", ("Arc", "Blob"), maps.astype(np.uint8), label)
    return WaferSplit(part, part, part, part)


@pytest.mark.thorough
def test_a_run_that_was_refused_leaves_its_folder_to_the_corrected_command(tmp_path, monkeypatch):
    maps, config = tiny_split(), WaferConfig(data=WaferData(source="folder:maps", size=8), steps=1)
    with pytest.raises(ValueError, match="there is no training map of Normal"):
        run_wafer(replace(config, data=replace(config.data, normal=True)), maps, tmp_path)
    monkeypatch.setattr(run, "fit_wafer", lambda *_, **__: (tmp_path / "checkpoints" / "1").mkdir(parents=True))
    rules = {"gap": 0.5, "threshold": 0.5, "thresholds": [0.5, 0.5], "empty": False}
    monkeypatch.setattr(run, "evaluate", lambda *_: {"rules": [rules], "measured": [{}]})
    made = run_wafer(config, maps, tmp_path)
    assert run_wafer(config, maps, tmp_path) == made == read_run(tmp_path)[1]
    with pytest.raises(ValueError, match=r"another configuration: steps is 1 there and 2 here. Choose another"):
        run_wafer(replace(config, steps=2), maps, tmp_path)


def test_numbers_of_other_maps_labels_or_names_are_not_taken_for_these(tmp_path):
    maps, config = tiny_split(), WaferConfig(data=WaferData(source="folder:maps", size=8))
    here = run.identity(config, maps)["data"]
    assert here == run.identity(config, tiny_split())["data"]
    parts = ("training", "validation", "single")
    changed = {
        "digests.training_maps": tiny_split(shift=1),
        "mixed is maps there and overlays here": replace(maps, mixed=None),
        **{f"digests.{name}_label": replace(maps, **{name: maps.single.take(np.arange(7))}) for name in parts},
        "digests.single_label is": replace(maps, single=replace(maps.single, label=maps.single.label[::-1])),
        r"defects is .*'Blob'.* there and .*'Ring'": replace(
            maps, training=replace(maps.training, defects=("Arc", "Ring"))
        ),
    }
    write_json(tmp_path / run.NAME, run.identity(config, maps))
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    for difference, other in changed.items():
        with pytest.raises(ValueError, match=f"a run on other data: .*{difference}.* Choose another --workdir"):
            run_wafer(config, other, tmp_path)


@pytest.mark.thorough
def test_what_is_tested_on_is_the_sources_mixed_maps_or_overlays_with_several_defects():
    label = np.repeat(np.eye(8, dtype=np.uint8), 6, axis=0)
    label[-6:] = 0  # Random is left out, some have no defect
    maps = np.random.default_rng(0).integers(0, 3, (len(label), 8, 8)).astype(np.uint8)
    single = WaferMaps("mine", "REAL", DEFECTS, maps, label)
    mixed = replace(single.take(np.arange(2)), label=MIXED[:2])
    split = WaferSplit(single, single, single, mixed)
    real = run.tested_maps(split, True)
    assert np.array_equal(real.label, np.concatenate([label, MIXED[:2]]))
    assert np.array_equal(real.maps, np.concatenate([maps, maps[:2]]))
    assert np.array_equal(run.tested_maps(split, False).label, np.concatenate([label[:-6], MIXED[:2]]))
    for normal in (True, False):
        laid, again = (run.tested_maps(replace(split, mixed=None), normal) for _ in range(2))
        assert np.array_equal(laid.maps, again.maps)
        count = len(label) if normal else len(label) - 6
        assert np.array_equal(laid.maps[:count], maps[:count])
        assert (laid.number[:count] <= 1).all()
        assert (laid.number[count:] > 1).all()
        assert all((each == MIXED).all(axis=1).any() for each in laid.label[count:])
    lone = single.take(label[:, 5] == 1)  # Near-Full: nothing can be laid over it
    assert np.array_equal(run.tested_maps(WaferSplit(lone, lone, lone, None), False).maps, lone.maps)


def test_a_network_that_answers_nan_leaves_no_rules_no_shares_and_no_figure(tmp_path):
    """Of NaN nothing is above a threshold: it would be right wherever there is no defect."""
    maps, config = tiny_split(), WaferConfig(data=WaferData(source="folder:maps", size=8, normal=True))
    network = SimpleNamespace(logits=lambda maps: np.full((1, len(maps), 2), np.nan))
    with pytest.raises(ValueError, match="answer to a map is NaN"):
        run.evaluate(network, config, maps, tmp_path)
    assert not any(tmp_path.iterdir())
    probability = np.full((1, *maps.single.label.shape), 0.5, np.float32)
    for value, fits in ((0.5, True), (np.nan, False), (1.5, False)):
        probability[0, 3, 1] = value
        np.savez(tmp_path / "probabilities.npz", probability=probability)
        if fits:
            assert np.array_equal(run.read_probabilities(tmp_path, maps.single, 1), probability)
        else:
            with pytest.raises(ValueError, match="holds no probabilities"):
                run.read_probabilities(tmp_path, maps.single, 1)


@pytest.mark.parametrize("name", ["gap", "threshold", "thresholds"])
def test_rules_that_are_no_shares_are_refused(tmp_path, name):
    rules = {"gap": 0.5, "threshold": 0.5, "thresholds": [0.5, 0.5], "empty": False}
    content = run.identity(WaferConfig(), tiny_split()) | {"measured": [{}]}
    write_json(tmp_path / run.NAME, content | {"rules": [rules]})
    assert read_run(tmp_path)[1]["rules"] == [rules]
    text = json.dumps(content | {"rules": [rules | {name: [0.5, np.nan] if name == "thresholds" else np.nan}]})
    (tmp_path / run.NAME).write_text(text)
    with pytest.raises(ValueError, match="does not hold what a run on wafer maps leaves"):
        read_run(tmp_path)


def test_options_that_would_do_nothing_are_refused():
    small, train = PRESETS["small"][1], PRESETS["train"][1]
    with pytest.raises(ValueError, match="average is for turns"):
        rows("small", replace(small, config=replace(small.config, data=replace(small.config.data, average=True))))
    assert rows("train", replace(train, config=replace(train.config, data=replace(train.config.data, turns=False))))
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
def test_ones_own_maps_are_learned_and_a_folder_is_predicted(folders, capsys, monkeypatch):
    job = PRESETS["train"][1]
    data = replace(job.config.data, source=f"folder:{folders / 'maps'}", normal=True)
    job = replace(job, config=replace(job.config, data=data), workdir=folders / "run", smoke=True)
    wafer.run("train", job)
    _, made = read_run(folders / "run" / "network")
    assert made["defects"] == ["Arc", "Blob"]
    assert made["mixed"] == "maps"
    lines = record.read_metrics(folders / "run" / "network", 2)
    assert [line["step"] for line in lines] == [1, 2]
    assert made["train_loss"] == lines[-1]["train_loss"]
    words = [folders / "run" / "network", folders / "new", "-o", folders / "defects.csv", "--rule", "thresholds"]
    monkeypatch.setattr(sys, "argv", ["predict", *map(str, words)])
    (folders / "new" / "bad.png").write_bytes(b"")
    any_kind.main()
    with (folders / "defects.csv").open() as file:
        *found, bad = csv.DictReader(file)
    assert [row["map"] for row in found] == ["b.npz:0", "b.npz:1", "a.npy"]
    assert (bad["map"], bad["defects"], bool(bad["error"])) == ("bad.png", "", True)
    threshold = made["rules"][0]["thresholds"]
    for row in found:
        chosen = [name for name, at in zip(("Arc", "Blob"), threshold, strict=True) if float(row[name]) >= at]
        assert row["defects"] == ("+".join(chosen) or "Normal")
    for options, message in (
        ({"rule": "pattern"}, "rule must be one of argmax, gap, threshold, thresholds, got 'pattern'"),
        ({"seed": 1}, "seed must be between 0 and 0, got 1"),
        ({"maps": folders / "maps"}, "holds no maps"),
        ({"run": folders}, "is not the folder of a run"),
    ):
        with pytest.raises(ValueError, match=message):
            predict(**{"run": folders / "run" / "network", "maps": folders / "new"} | options)
    other = replace(job, config=replace(job.config, composing=MapMixing()))
    with pytest.raises(ValueError, match="holds a run of another configuration"):
        wafer.run("train", other)
    capsys.readouterr()


def test_maps_to_predict_of_which_none_fails_or_none_passes_are_told(tmp_path, caplog):
    np.save(tmp_path / "a.npy", np.array([[0, 1], [1, 2]]))
    read_all(tmp_path, 8)
    assert not caplog.text
    np.save(tmp_path / "a.npy", np.array([[0, 1], [1, 1]]))  # 1 where a die fails
    read_all(tmp_path, 8)
    assert "no map holds a 2; a map holds 0 (no die), 1 (passes), 2 (fails)" in caplog.text


@pytest.mark.slow
def test_the_smoke_run_leaves_tables_that_the_report_shows(tmp_path, capsys):
    job = replace(PRESETS["small"][1], only=("overlay-sigmoid",), smoke=True, workdir=tmp_path / "small")
    wafer.run("small", job)
    tables, warnings = find_tables([tmp_path])
    assert not warnings
    assert len(tables) == 2
    assert {path for _, table in tables for path, _ in table.figures} == {"figures/confusion.png", "figures/judged.png"}
    report.main((tmp_path,), tmp_path / "report.html")
    assert "exact match: several defects" in (tmp_path / "report.html").read_text()
    first = capsys.readouterr().out
    wafer.run("small", job)
    assert "overlay, sigmoid" in first
