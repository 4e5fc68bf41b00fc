"""Laws of what is learned from and what is tested on."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.wafer import sources
from experiments.wafer.maps import WaferMaps
from experiments.wafer.patterns import DEFECTS, MIXED, PATTERNS
from experiments.wafer.sources import generate, load_wafer, read_wafer, split


def archive_of(count):
    """`count` maps of each of the 38 patterns, every one different."""
    label = np.repeat(PATTERNS, count, axis=0)
    maps = np.random.default_rng(0).integers(0, 3, (len(label), 12, 12)).astype(np.uint8)
    return WaferMaps("file", "REAL", DEFECTS, maps, label)


def contents(maps):
    return {each.tobytes() for each in maps.maps}


def test_nothing_with_several_defects_is_learned_or_validated_on_and_nothing_is_in_two_parts():
    whole = archive_of(20)
    parts = split(whole)
    for part in (parts.training, parts.validation, parts.single):
        assert part.number.max() == 1
    assert np.array_equal(parts.mixed.label, np.repeat(MIXED, 20, axis=0))
    every = [parts.training, parts.validation, parts.single, parts.mixed]
    assert sum(map(len, every)) == len(set.union(*map(contents, every))) == len(whole)


def test_each_pattern_is_split_eight_to_one_to_one_and_always_the_same_way():
    first, again = split(archive_of(20)), split(archive_of(20))
    for part, count in (("training", 16), ("validation", 2), ("single", 2)):
        maps = getattr(first, part)
        assert (np.unique(maps.label, axis=0, return_counts=True)[1] == count).all()
        assert contents(maps) == contents(getattr(again, part))


def test_a_defect_that_never_stands_alone_and_one_with_too_few_maps_are_named():
    whole = archive_of(20)
    loc = DEFECTS.index("Loc")
    alone = (whole.label[:, loc] == 1) & (whole.number == 1)
    with pytest.raises(ValueError, match="file has no map whose only defect is Loc; every class needs some"):
        split(whole.take(~alone))
    keep = ~alone
    keep[np.flatnonzero(alone)[:2]] = True
    with pytest.raises(ValueError, match="file has 2 maps of Loc; training, validation and test need 3"):
        split(whole.take(keep))


def test_a_source_is_read_by_its_kind_and_resized(tmp_path):
    whole = archive_of(10)
    np.savez(tmp_path / "maps.npz", whole.maps, whole.label)
    options = {"noise": "low", "train_maps": 1, "test_maps": 1, "size": 20}
    for kind in ("mixedwm38", "npz"):
        found = load_wafer(f"{kind}:{tmp_path / 'maps.npz'}", **options)
        assert found.training.maps.shape == (9 * 8, 20, 20)
        assert found.training.mark == "REAL"
    assert np.array_equal(read_wafer(f"npz:{tmp_path / 'maps.npz'}", 20).label, whole.label)  # all, in their order
    for wrong in ("generators", "npz", "npz:", "generator:x", "generator:"):
        with pytest.raises(ValueError, match=rf"source is '{wrong}'; it must be generator, or one of mixedwm38"):
            load_wafer(wrong, **options)


@pytest.mark.parametrize(("found", "missing"), [((0, 1), 2), ((0, 2), 1)])
def test_maps_of_two_values_are_no_source(found, missing, tmp_path):
    whole = archive_of(10)
    np.savez(tmp_path / "maps.npz", np.take([found[0], found[1], found[1]], whole.maps), whole.label)
    with pytest.raises(ValueError, match=rf"maps.npz: no map holds a {missing}; .*0 .no die.*1 .passes.*2 .fails"):
        load_wafer(f"npz:{tmp_path / 'maps.npz'}", noise="low", train_maps=1, test_maps=1, size=12)


def with_lots(lots):
    return replace(archive_of(20).take(np.flatnonzero(archive_of(20).number <= 1)), lot=np.asarray(lots))


def test_parts_share_no_lot_where_lots_are_known_and_the_split_is_always_the_same():
    maps = with_lots([f"lot{i % 30}" for i in range(180)])
    parts = split(maps)
    lots = [set(part.lot) for part in (parts.training, parts.validation, parts.single)]
    assert sum(map(len, lots)) == len(set.union(*lots)) == 30
    assert [len(part) for part in (parts.training, parts.validation, parts.single)] == [144, 18, 18]
    assert contents(split(maps).single) == contents(parts.single)


def test_a_lot_with_a_map_of_several_defects_is_a_test_lot():
    whole = archive_of(20)
    lots = np.arange(len(whole)) % 40  # of 20 maps a pattern: each lot has singles and mixtures of half of the patterns
    lots[whole.number <= 1] += 40 * (np.flatnonzero(whole.number <= 1) % 10 > 0)
    parts = split(replace(whole, lot=lots))
    assert not set(parts.mixed.lot) & {*parts.training.lot, *parts.validation.lot}
    assert set(parts.single.lot) >= {lot for lot in lots[whole.number <= 1] if lot in set(parts.mixed.lot)}


def test_lots_that_leave_a_part_without_a_class_are_refused():
    maps = with_lots(np.repeat(np.arange(9), 20))  # a lot for each class
    with pytest.raises(ValueError, match=r"split by its 9 lots, has no .* map of .*; it needs more lots"):
        split(maps)


def test_lots_of_an_archive_are_read(tmp_path):
    whole = archive_of(10)
    np.savez(tmp_path / "maps.npz", whole.maps, whole.label, lots=np.arange(len(whole)) // 3)
    assert np.array_equal(read_wafer(f"npz:{tmp_path / 'maps.npz'}", 12).lot, np.arange(len(whole)) // 3)
    np.savez(tmp_path / "maps.npz", whole.maps, whole.label, lots=np.zeros(3))
    with pytest.raises(ValueError, match="lots are float64"):
        read_wafer(f"npz:{tmp_path / 'maps.npz'}", 12)


@pytest.mark.thorough
def test_another_test_seed_changes_test_maps_alone_and_thresholds_may_be_chosen_on_other_mixed_maps(monkeypatch):
    monkeypatch.setattr(sources, "PART", 60)
    first, second = (generate("low", 1, 1, 16, test_seed=seed) for seed in (0, 1))
    for name in ("training", "validation"):
        np.testing.assert_array_equal(getattr(first, name).maps, getattr(second, name).maps)
    for name in ("single", "mixed"):
        one, other = getattr(first, name), getattr(second, name)
        np.testing.assert_array_equal(one.label, other.label)
        assert not contents(one) & contents(other)
    reference = generate("low", 1, 1, 16, learn_mixed=True, normal=True, choose_mixed=True)
    for part in (reference.training, reference.validation):
        assert len(np.unique(part.label, axis=0)) == 38
        assert not contents(part) & (contents(first.mixed) | contents(first.single))
    assert not contents(reference.training) & contents(reference.validation)


def test_the_generator_draws_singles_to_learn_and_all_mixtures_to_test_on(monkeypatch):
    monkeypatch.setattr(sources, "PART", 60)
    parts = generate("low", 3, 2, 16)
    assert (np.unique(parts.training.label, axis=0, return_counts=True)[1] == [6, *[3] * 8]).all()
    assert parts.training.number.max() == parts.validation.number.max() == parts.single.number.max() == 1
    assert np.array_equal(parts.mixed.label, np.repeat(MIXED, 2, axis=0))
    every = [parts.training, parts.validation, parts.single, parts.mixed]
    assert sum(map(len, every)) == len(set.union(*map(contents, every))) == 9 * 3 + 3 + 2 * (9 * 2 + 2) + 29 * 2
    assert parts.training.mark == "SYNTHETIC"


@pytest.mark.thorough
def test_what_the_maps_are_is_said(caplog):
    caplog.set_level("INFO")
    load_wafer("generator", noise="low", train_maps=2, test_maps=1, size=8)
    assert "SYNTHETIC, 20 training, 10 validation, 10 test" in caplog.text
    with pytest.raises(ValueError, match="source is ~nouser/x"):
        load_wafer("npz:~nouser/x", noise="low", train_maps=2, test_maps=1, size=8)
