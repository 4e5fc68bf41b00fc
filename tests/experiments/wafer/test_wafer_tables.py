"""Laws of the tables and captions on wafer maps: every metric by its name, every row by what it is."""

import inspect
from dataclasses import replace

import numpy as np
import pytest

from experiments.wafer import decisions, figures, tables
from experiments.wafer.config import WaferConfig, WaferData
from experiments.wafer.figures import judged_maps
from experiments.wafer.predict import predict
from experiments.wafer.presets import PRESETS, rows
from mixup_jax.choices.networks import WaferNet


def content(**values):
    single = {"1": 0.9, "mixed": 0.5}
    measured = {name: dict(single) for name in ("top_1_in_set", "recall_at_k", "known_k_exact")}
    for rule in ("argmax", "gap", "threshold", "thresholds", "pattern"):
        measured[rule] = {name: dict(single) for name in ("exact_match", "hamming", "micro_f1", "macro_f1")}
    return {"measured": [measured], "mark": "SYNTHETIC", "source": "generator, low noise", **values}


def test_the_slides_numbers_stand_beside_the_metric_that_fits_them_and_no_other():
    configs = rows("slides", PRESETS["slides"][1])
    table = tables.main_table("slides", {name: (config, content()) for name, config in configs.items()}, ())
    assert table.columns == ("AlexNet, %", "VGGNet-16, %", "ResNet-18, %", "ResNet-34, %", "ResNet-50, %")
    assert np.mean(table.rows[8].paper) == pytest.approx(72.6)
    assert np.mean(table.rows[9].paper) == pytest.approx(91.2, abs=0.05)
    assert [row.paper == (None,) * 5 for row in table.rows] == [True] * 4 + [False] * 2 + [True] * 2 + [False] * 2 + [
        True
    ] * 2
    assert table.rows[4].values == ((90.0,),) * 5
    assert "nine classes" in table.rows[4].group
    assert "accuracy, not which" in table.rows[8].note


def test_the_other_tables_call_each_metric_by_its_name():
    configs = rows("small", PRESETS["small"][1])
    made = {name: (config, content()) for name, config in configs.items()}
    table = tables.main_table("small", made, ())
    assert table.columns[-4:] == ("single-type accuracy", "top-1-in-set", "recall@k", "known-k exact")
    assert [row.label for row in table.rows][-1] == "overlay, sigmoid"
    by_number = tables.by_number_table("small", made)
    assert [row.label for row in by_number.rows[:2]] == ["1 defect", "2 and more"]
    assert by_number.columns[0] == "exact match"
    assert by_number.columns[4:] == ("Hamming accuracy", "micro F1", "macro F1")


def test_the_headline_is_how_often_predict_is_right_with_one_defect_with_none_and_with_several():
    """A network whose likeliest defect is always right, and whose thresholds leave two of three types out."""
    truth = np.repeat(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [1, 1, 0]], np.uint8), 10, axis=0)
    probability = np.where(truth > 0, 0.6, 0.1)
    rules = {"gap": 0.1, "threshold": 0.5, "thresholds": [0.5, 0.9, 0.9], "empty": True}
    defects = ("Centre", "Edge-Ring", "Scratch")
    made = content() | {"measured": [decisions.measure(probability, truth, rules, defects)]}
    config = WaferConfig(data=WaferData(normal=True))
    default = inspect.signature(predict).parameters["rule"].default
    right = (decisions.apply_rule(default, probability, rules) == truth).all(axis=1)
    expected = [100 * right[group].mean() for group in (slice(0, 30), slice(30, 40), slice(40, 50))]
    for preset, name in (("train", "network"), ("small", "overlay-sigmoid"), ("beyond", "best")):
        table = tables.main_table(preset, {name: (config, made)}, ())
        assert [values[0] for values in table.rows[0].values[:3]] == pytest.approx(expected)
        assert table.rows[0].values[table.columns.index("top-1-in-set")] == (100.0,)
    slides = tables.main_table("slides", {"resnet18-plain": (config, made)}, ())
    assert [row.values[0][0] for row in slides.rows[::2][:2]] == pytest.approx([expected[0], expected[2]])


def test_a_table_says_that_predict_always_names_a_defect_where_no_map_without_one_was_learned():
    for normal in (False, True):
        config, made = WaferConfig(data=WaferData(normal=normal)), content()
        if normal:
            made["measured"][0]["thresholds"]["exact_match"]["0"] = 0.75
        table = tables.main_table("train", {"network": (config, made)}, ())
        assert ("predict names a defect on every map" in table.text) != normal
        assert ("exact match: no defect" in table.columns) == normal


def test_false_alarms_on_maps_without_a_defect_are_shown_where_there_are_such_maps():
    made = content()
    made["measured"][0]["thresholds"]["exact_match"]["0"] = 0.75
    table = tables.by_number_table("train", {"network": (WaferConfig(), made)})
    assert [row.label for row in table.rows] == ["0 defects", "1 defect", "2 and more"]
    shown = dict(zip(table.columns, table.rows[0].values, strict=True))
    assert shown.pop("exact match") == (75.0,)
    assert set(shown.values()) == {()}


def test_overlays_in_place_of_mixed_maps_are_called_so_in_titles_rows_and_pictures():
    for preset in ("small", "slides", "beyond", "train"):
        made = {name: (config, content(mixed="overlays")) for name, config in rows(preset, PRESETS[preset][1]).items()}
        for table in (tables.main_table(preset, made, ()), tables.by_number_table(preset, made)):
            assert "tested on overlays" in table.title
            assert "overlays of held-out maps, not on real mixed maps" in table.text
        assert tables.by_number_table(preset, made).rows[1].label == "2 and more, overlays"
        if preset == "slides":
            assert tables.main_table(preset, made, ()).rows[8].group == "overlays of single types: top-1-in-set"
        made = {name: (config, content(mixed="maps")) for name, (config, _) in made.items()}
        assert "overlay" not in tables.main_table(preset, made, ()).title
    figure = judged_maps(np.ones((1, 4, 4), np.uint8), ["a"], ["a"])
    assert not figures.with_footnote(figure, False).texts
    assert "not real mixed maps" in figures.with_footnote(figure, True).texts[0].get_text()


def test_rows_of_the_ablation_say_what_is_new_in_them_whatever_the_options():
    job = PRESETS["beyond"][1]
    shorter = replace(job.config, steps=300, data=replace(job.config.data, train_maps=40), model=WaferNet(8))
    for config in (job.config, shorter):
        made = {name: (each, content()) for name, each in rows("beyond", replace(job, config=config)).items()}
        titles = tables.row_titles("beyond", made)
        assert [row.label for row in tables.main_table("beyond", made, ()).rows] == list(titles.values())
        before = made["two"][0]
        for name, (each, _) in list(made.items())[1:]:
            assert (titles[name] == "the same again") == (each == before)
            longer, wider = each.steps != before.steps, each.model.width != before.model.width
            assert (f"{each.steps:,} steps in place of {before.steps:,}" in titles[name]) == longer
            assert (f"width {each.model.width} in place of {before.model.width}" in titles[name]) == wider
            assert ("turned" in titles[name]) == (each.data.turns != before.data.turns)
            before = each
    pair = rows("beyond", replace(job, only=("two", "longer")))
    titles = tables.row_titles("beyond", {name: (each, content()) for name, each in pair.items()})
    assert titles["two"] == "overlay of two maps, 400 maps of each defect, 500 steps, width 16"
    assert "of types that occur together" in titles["longer"]
    mine = replace(job.config.data, source="folder:maps")
    made = rows("beyond", replace(job, config=replace(job.config, data=mine)))
    titles = tables.row_titles("beyond", {name: (each, content()) for name, each in made.items()})
    assert titles["varied"] == "+ turned and mirrored"
