"""Laws of the last layer of given weights: each of its outputs goes to the class of its name, or nobody is told so."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file
from weight_files import VIT, data_of, random_timm

from mixup_jax.config import Config
from mixup_jax.weights.class_names import match_classes, names_of
from mixup_jax.weights.initial import initial_weights

NAMES = ("cat", "dog", "guinea pig", "newt", "owl", "fox", "elk")
SYNSETS = tuple(f"n0144{number:04}" for number in range(7))
HEAD = ("head/dense/kernel", "head/dense/bias")


@pytest.fixture(scope="module")
def arrays():
    """Weights of a small ViT for seven classes under timm's names."""
    return random_timm(VIT)


def weights(folder, arrays, here, metadata=None, **files):
    save_file(arrays, folder / "model.safetensors", metadata)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    config = Config(model=VIT, init=str(folder / "model.safetensors"))
    return initial_weights(config, replace(data_of(24), classes=tuple(here)))


WAYS = {
    "timm": {"config": {"architecture": "vit", "label_names": list(NAMES)}},
    "timm within": {"config": {"pretrained_cfg": {"label_names": list(NAMES)}}},
    "Hugging Face": {"config": {"id2label": {str(number): name for number, name in enumerate(NAMES)}}},
    "ours": {"model": {"classes": list(NAMES)}},
    "timm in the header": {"metadata": {"label_names": json.dumps(NAMES), "format": "pt"}},
    "Hugging Face in the header": {"metadata": {"id2label": json.dumps(dict(enumerate(NAMES)))}},
}


@pytest.mark.parametrize("way", WAYS)
def test_each_output_goes_to_the_class_of_its_name(tmp_path, arrays, way):
    here = [name.title().replace(" ", "_") for name in sorted(NAMES)]
    found = weights(tmp_path, arrays, here, **WAYS[way])
    order = [NAMES.index(name) for name in sorted(NAMES)]
    np.testing.assert_array_equal(found.arrays[HEAD[0]], arrays["head.weight"][order].T)
    np.testing.assert_array_equal(found.arrays[HEAD[1]], arrays["head.bias"][order])
    assert [said for what, said in found.rows if what == "last layer"] == ["the same classes there in another order"]


@pytest.mark.thorough
@pytest.mark.parametrize("way", WAYS)
def test_other_classes_have_a_head_of_their_own_and_the_same_ones_keep_theirs_silently(tmp_path, arrays, way):
    other = weights(tmp_path, arrays, (*NAMES[:-1], "gnu"), **WAYS[way])
    assert not other.arrays.keys() & set(HEAD)
    assert ("drawn anew", "head/dense/bias (7,): other classes there") in other.rows
    same = weights(tmp_path, arrays, NAMES, **WAYS[way])
    np.testing.assert_array_equal(same.arrays[HEAD[1]], arrays["head.bias"])
    assert "last layer" not in dict(same.rows)


KEPT = {
    "no names": {},
    "too few names": {"config": {"label_names": ["cat"]}},
    "no words": {"config": {"label_names": [1, 2, 3, 4, 5, 6, 7]}},
    "numbers missing": {"config": {"id2label": {"1": "cat", "2": "dog"}}},
    "nobody's names": {"config": {"id2label": {str(number): f"LABEL_{number}" for number in range(7)}}},
    "synsets": {"config": {"label_names": list(SYNSETS)}},
    "damaged header": {"metadata": {"label_names": "[" * 100_000}},
}


@pytest.mark.parametrize("way", KEPT)
def test_a_head_whose_classes_nobody_can_compare_is_kept_by_number_and_it_is_said(tmp_path, arrays, way):
    found = weights(tmp_path, arrays, NAMES, **KEPT[way])
    np.testing.assert_array_equal(found.arrays[HEAD[1]], arrays["head.bias"])
    assert "by number" in dict(found.rows)["last layer"]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=6), st.randoms())
def test_a_match_is_a_permutation_by_which_the_names_are_the_same(there, random):
    here = random.sample(there, len(there))
    order = match_classes(there, here).order
    if order is not None:
        assert sorted(order) == list(range(len(there)))
        if "by number" not in match_classes(there, here).said:
            assert [there[number].casefold() for number in order] == [name.casefold() for name in here]
    else:  # two of them are one but for case
        assert len({name.strip().casefold().replace("-", " ").replace("_", " ") for name in there}) < len(there)
    assert names_of({"classes": there}) == tuple(there)


def test_a_letter_with_its_accent_in_one_character_or_two_is_the_same_class():
    assert match_classes(("caf\u00e9", "cat"), ("cat", "cafe\u0301")).order == (1, 0)
