"""Laws of the maps that decision rules are chosen on."""

import numpy as np
import pytest

from experiments.wafer.maps import WaferMaps
from experiments.wafer.patterns import DEFECTS, PATTERNS, WHOLE_WAFER
from experiments.wafer.run import OVERLAYS, overlaid, validation_maps

EACH = 12


def maps_of(labels, defects=DEFECTS):
    """EACH maps of each label, in which every die is drawn, and some wafers lack dies."""
    label = np.repeat(np.asarray(labels, np.uint8), EACH, axis=0)
    maps = np.random.default_rng(0).choice([0, 1, 2], (len(label), 10, 10), p=(0.1, 0.7, 0.2)).astype(np.uint8)
    return WaferMaps("held out", "REAL", tuple(defects), maps, label)


@pytest.fixture(scope="module")
def single():
    return maps_of(np.eye(8))


@pytest.fixture(scope="module")
def laid(single):
    return overlaid(single, "add", 0)


def possible(label):
    return (label[:, None] == PATTERNS).all(axis=2).any(axis=1)


@pytest.mark.thorough
def test_overlays_are_unions_of_maps_and_of_their_labels(single, laid):
    assert len(laid) == len(single)
    assert (laid.label >= single.label).all()
    assert (laid.maps >= single.maps).all()
    changed = (laid.maps != single.maps).any(axis=(1, 2))
    assert np.array_equal(changed, laid.number > 1)
    for one, label in zip(laid.maps[changed], laid.label[changed], strict=True):
        within = [each for each in single.maps if (each <= one).all()]  # what may have been laid here
        assert np.array_equal(np.max(within, axis=0), one)
        inside = single.label[[(each <= one).all() for each in single.maps]]
        assert (label <= inside.max(axis=0)).all()


def test_overlays_are_of_one_to_four_types_that_occur_together(laid):
    assert possible(laid.label).all()
    assert set(laid.number) == {1, 2, 3, 4}
    whole = [DEFECTS.index(name) for name in WHOLE_WAFER]
    beneath = laid.label[:, whole].any(axis=1)
    assert beneath.sum() == len(whole) * EACH
    assert (laid.number[beneath] == 1).all()


def test_a_seed_gives_the_same_overlays_and_another_one_others(single, laid):
    again, other = overlaid(single, "add", 0), overlaid(single, "add", 1)
    assert np.array_equal(laid.maps, again.maps)
    assert np.array_equal(laid.label, again.label)
    assert not np.array_equal(laid.label, other.label)


@pytest.mark.slow
def test_the_background_that_is_taken_away_changes_no_label_adds_no_failing_die_and_is_always_the_same(single, laid):
    matched, again = overlaid(single, "match", 0), overlaid(single, "match", 0)
    assert np.array_equal(laid.label, matched.label)
    assert (matched.maps <= laid.maps).all()
    assert (matched.maps >= single.maps).all()
    assert (matched.maps < laid.maps).any()
    assert np.array_equal(matched.maps, again.maps)


@pytest.mark.thorough
def test_rules_are_chosen_on_every_held_out_map_as_it_is_and_overlays_of_those_with_one_defect():
    held_out = maps_of(np.concatenate([np.eye(8), np.zeros((1, 8))]))
    found = validation_maps(held_out, "add")
    assert np.array_equal(found.maps[: len(held_out)], held_out.maps)
    assert np.array_equal(found.label[: len(held_out)], held_out.label)
    assert len(found) == len(held_out) + OVERLAYS * EACH * (8 - len(WHOLE_WAFER))
    assert (found.number[len(held_out) :] >= 1).all()
    assert not found.label[len(held_out) :, [DEFECTS.index(name) for name in WHOLE_WAFER]].any()
    assert possible(found.label).all()


def test_where_all_types_cover_the_whole_wafer_nothing_is_laid():
    held_out = maps_of(np.eye(2), ("near-full", "RANDOM"))
    assert np.array_equal(validation_maps(held_out, "match").maps, held_out.maps)
