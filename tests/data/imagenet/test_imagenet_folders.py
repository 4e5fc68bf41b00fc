"""Laws of ImageNet's folders: what is incomplete is refused, and what TFDS has prepared reads like our own."""

import hashlib
import json
import pickle
import shutil

import pytest
from small_archives import prepare_by_tfds

from experiments.imagenet.archives import build_archives, photograph
from mixup_jax.data.imagenet.prepare import prepare
from mixup_jax.data.imagenet.source import MANIFEST, class_names, label_of, load_imagenet, validation_labels
from mixup_jax.data.photographs.streamed import Photograph
from mixup_jax.data.sources import load, open_data

NAMES = {
    "train": [f"{class_names()[label]}_{i}.JPEG" for i, label in enumerate((0, 1, 0))],
    "test": [f"ILSVRC2012_val_{number:08d}.JPEG" for number in (3, 2, 50_000)],  # a part, and not from the first one
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared")
    archives = build_archives(folder / "archives", classes=2, train=3, validation=1)
    prepare(*archives, folder / "imagenet", partial=True, mark="SYNTHETIC")
    return folder


def test_a_prepared_folder_is_found_by_name_and_directly(folder):
    for where in (folder, folder / "imagenet"):
        data = open_data("imagenet", where)
        assert (data.train_count, data.test_count, data.image_shape) == (6, 2, (224, 224, 3))
        assert (len(data.classes), data.mark, data.part) == (1000, "SYNTHETIC", True)


def test_it_does_not_go_where_data_in_memory_is_needed():
    with pytest.raises(ValueError, match="imagenet does not fit into memory"):
        load("imagenet")


def test_where_there_is_nothing_the_error_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"python -m experiments.prepare imagenet --train-tar .* --out"):
        load_imagenet(tmp_path)


def test_missing_files_and_images_are_noticed(folder, tmp_path):
    copy = tmp_path / "imagenet"
    copy.mkdir()
    for path in (folder / "imagenet").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((copy / MANIFEST).read_text())
    changed = manifest | {"images": manifest["images"] | {"train": 7}}
    (copy / MANIFEST).write_text(json.dumps(changed))
    with pytest.raises(ValueError, match="train holds 6 photographs instead of 7"):
        load_imagenet(tmp_path)
    (copy / MANIFEST).write_text(json.dumps(manifest))
    (copy / manifest["shards"]["validation"][0]).unlink()
    with pytest.raises(ValueError, match=r"validation-.* is missing"):
        load_imagenet(tmp_path)


def test_a_record_that_was_replaced_by_one_of_the_same_length_is_other_data(folder, tmp_path):
    copy = tmp_path / "imagenet"
    shutil.copytree(folder / "imagenet", copy)
    digest = load_imagenet(tmp_path).digest
    assert digest == load_imagenet(folder).digest
    manifest = json.loads((copy / MANIFEST).read_text())
    path = copy / manifest["shards"]["train"][0]
    content = bytearray(path.read_bytes())
    assert manifest["sha256"][path.name] == hashlib.sha256(content).hexdigest()
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    manifest["sha256"][path.name] = hashlib.sha256(content).hexdigest()  # as another preparation remembers it
    (copy / MANIFEST).write_text(json.dumps(manifest))
    assert load_imagenet(tmp_path).digest != digest
    for what in ("bytes", "sha256"):
        (copy / MANIFEST).write_text(json.dumps(manifest | {what: ["a"]}))
        with pytest.raises(ValueError, match=f"its {what} is .*; prepare the data again"):
            load_imagenet(tmp_path)


@pytest.mark.parametrize(
    "name", ["n00000000_1.JPEG", "ILSVRC2012_val_00000000.JPEG", "ILSVRC2012_val_00050001.JPEG", "dog.png"]
)
def test_what_is_no_photograph_of_it_has_no_label(name):
    with pytest.raises(ValueError, match="is no photograph of it"):
        label_of(name)


def test_what_tfds_has_prepared_is_read(tmp_path):
    import tensorflow_datasets as tfds

    photographs = {split: [photograph(label, i) for i, label in enumerate((0, 1, 0))] for split in ("train", "test")}

    def records(split):
        for i, content in enumerate(photographs[split]):
            yield i, {"image": content, "label": class_names()[999], "file_name": NAMES[split][i]}

    features = {
        "image": tfds.features.Image(encoding_format="jpeg"),
        "label": tfds.features.ClassLabel(names=class_names()),
        "file_name": tfds.features.Text(),
    }
    splits = {"train": records("train"), "validation": records("test")}
    prepare_by_tfds(tmp_path / "tfds", "imagenet2012", "5.1.0", features, splits)
    data = open_data("imagenet", tmp_path)
    found = {data.train[i].name: data.train[i] for i in range(3)}
    expected = [Photograph(NAMES["train"][i], i % 2, photographs["train"][i]) for i in range(3)]
    assert found == {each.name: each for each in expected}
    again = pickle.loads(pickle.dumps(data.test))
    labels = {again[i].name: again[i].label for i in range(3)}
    assert labels == {name: validation_labels()[int(name[15:23]) - 1] for name in NAMES["test"]}  # not TFDS's
    assert data.part
