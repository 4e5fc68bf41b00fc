"""Laws of the identity of data: whatever is learned from or tested on is in it, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from mixup_jax.choices import Data
from mixup_jax.data.identity import ENDS, PIECE, digest_array, digest_files
from mixup_jax.data.photographs.streamed import StreamedDataset
from mixup_jax.data.sources import load, prepare

DIGITS = load("digits")


def test_every_bit_of_every_array_counts():
    identity = DIGITS.identity()
    for name in identity.digests:
        array = np.array(getattr(DIGITS, name))
        array.reshape(-1)[-1] ^= 1
        changed = replace(DIGITS, **{name: array}).identity()
        assert {each for each in identity.digests if changed.digests[each] != identity.digests[each]} == {name}


def test_what_is_trained_on_after_the_choice_of_a_subset_and_label_noise_is_what_counts():
    kinds = (Data("digits"), Data("digits", train_examples=100), Data("digits", label_noise=0.5))
    identities = [prepare(DIGITS, each)[0].identity() for each in kinds]
    images, labels = ([each.digests[f"train_{name}"] for each in identities] for name in ("image", "label"))
    assert (images[0] == images[2], images[0] == images[1], len(set(labels))) == (True, False, 3)
    assert [each.train_count for each in identities] == [1442, 100, 1442]


def test_an_arrays_digest_is_that_of_its_values_however_they_lie_in_memory():
    array = np.arange(2 * PIECE + 3, dtype=np.uint8)
    assert digest_array(array) == digest_array(np.repeat(array, 2)[::2])
    assert digest_array(array) != digest_array(array.view(np.int8))
    swapped = np.concatenate([array[PIECE:], array[:PIECE]])
    swapped[[0, PIECE]] = 1, 2
    assert digest_array(array) != digest_array(swapped)


def test_files_on_disk_are_known_by_name_size_start_and_end(tmp_path):
    content = bytes(3 * ENDS)
    one, two = tmp_path / "a.array_record", tmp_path / "b.array_record"
    one.write_bytes(content)
    two.write_bytes(content)
    digest = digest_files([one, two])
    assert digest == digest_files([two, one])
    for changed in (content[1:], b"x" + content[1:], content[:-1] + b"x"):
        two.write_bytes(changed)
        assert digest_files([one, two]) != digest
    two.write_bytes(content)
    assert digest_files([one, two]) == digest
    assert digest_files([one, two.rename(tmp_path / "c.array_record")]) != digest


@pytest.mark.parametrize("change", [{"digest": "b"}, {"classes": ("y", "x")}, {"train_count": 2}, {"size": 8}])
def test_data_that_stay_on_disk_have_an_identity_too(change):
    data = StreamedDataset("some", "REAL", ("x", "y"), [None] * 4, [None] * 2, (0.5,) * 3, (0.2,) * 3, 16, digest="a")
    assert data.identity().streamed
    assert replace(data, **change).identity() != data.identity()
    assert replace(data, flip=False).identity() == data.identity()
