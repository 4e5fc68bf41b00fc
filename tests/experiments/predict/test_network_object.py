"""Laws of `mixup_jax.load`: what a run has measured, an image alone, in a batch, as an array, as a file."""

import json
import shutil
from dataclasses import replace

import jax
import jax.export
import numpy as np
import pytest
from PIL import Image

import mixup_jax
from mixup_jax.choices.losses import BinaryCrossEntropy
from mixup_jax.data.sources import load
from mixup_jax.runtime.run_folder import finished
from mixup_jax.weights.export import program_bytes


@pytest.fixture(scope="module")
def network(trained):
    return mixup_jax.load(trained)


@pytest.fixture(scope="module")
def images():
    return np.asarray(load("digits").test_image)


@pytest.mark.thorough
def test_the_errors_of_its_seeds_are_those_of_the_run_and_probabilities_their_mean(network, images, trained):
    labels = load("digits").test_label
    x = network.normalize(images)
    each = [np.asarray(jax.nn.softmax(network.apply(network.variables(i), x))) for i in range(2)]
    errors = [100 * float((one.argmax(axis=1) != labels).mean()) for one in each]
    np.testing.assert_allclose(errors, finished(trained)["test_error"]["last"], rtol=1e-5)
    found = network(images)
    assert (found.dtype, found.shape) == (np.float32, (len(images), 10))
    np.testing.assert_allclose(found, np.mean(each, axis=0), atol=1e-6)


@pytest.mark.thorough
def test_a_network_trained_with_sigmoids_says_its_sigmoids_and_so_does_its_program(network, images):
    config = replace(network.config, loss=BinaryCrossEntropy())
    first = jax.tree.map(lambda leaf: leaf[:1], {"params": network.params, "batch_stats": network.batch_stats})
    other = replace(network, config=config, seeds=network.seeds[:1], **first)
    logits = network.apply(network.variables(0), network.normalize(images))
    np.testing.assert_allclose(other(images), jax.nn.sigmoid(logits), atol=1e-6)
    program = jax.export.deserialize(bytearray(program_bytes(other)))
    np.testing.assert_allclose(program.call(images), jax.nn.sigmoid(logits), atol=1e-6)


@pytest.mark.thorough
def test_an_image_alone_has_the_bits_that_it_has_among_others(network, images):
    together = network(images[:70])
    for index in (0, 31, 69):
        np.testing.assert_array_equal(network(images[index : index + 1])[0], together[index])
    np.testing.assert_array_equal(network(images[:70][::-1])[::-1], together)
    np.testing.assert_allclose(network(images[:70], batch_size=7), together, atol=1e-6)


@pytest.mark.thorough
def test_files_and_pictures_are_the_arrays_that_they_hold(network, images, pictures):
    files = [pictures / f"{index}.png" for index in range(40)]
    np.testing.assert_array_equal(network(files), network(images[:40]))
    np.testing.assert_array_equal(network([Image.open(file) for file in files]), network(images[:40]))
    assert network([]).shape == (0, 10)


@pytest.mark.thorough
def test_a_picture_is_turned_coloured_and_resized_as_it_is_seen(network, pictures):
    small = Image.open(pictures / "0.png")
    large = small.resize((80, 80), Image.Resampling.NEAREST)
    wide = Image.new("RGB", (120, 80))
    wide.paste(large, (20, 0))
    turned, exif = wide.transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    turned.save(pictures.parent / "turned.png", exif=exif)
    found = network([large, wide, pictures.parent / "turned.png"])
    np.testing.assert_array_equal(found, found[:1].repeat(3, axis=0))


@pytest.mark.thorough
def test_the_mean_over_mirror_images_does_not_see_which_one_is_given(network, images):
    once = network(images[:9], mirror=True)
    np.testing.assert_allclose(once, (network(images[:9]) + network(images[:9, :, ::-1])) / 2, atol=1e-6)
    np.testing.assert_allclose(network(images[:9, :, ::-1], mirror=True), once, atol=1e-6)


@pytest.mark.thorough
def test_the_features_of_the_head_give_the_logits(network, images):
    features = network.features(images[:5], "head", seed=1)
    head = jax.tree.map(np.asarray, network.variables(1)["params"]["head"])
    logits = network.apply(network.variables(1), network.normalize(images[:5]))
    np.testing.assert_allclose(features @ head["kernel"] + head["bias"], logits, atol=1e-5)
    np.testing.assert_allclose(network.features(images[:5], "input"), network.normalize(images[:5]), atol=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda images: images.astype(np.float32), TypeError, "images must be uint8.*got float32"),
        (lambda images: images[:, :5], ValueError, r"\(n, 8, 8, 1\), got \(2, 5, 8, 1\)"),
        (lambda images: images.repeat(3, axis=3), ValueError, r"got \(2, 8, 8, 3\)"),
        (lambda images: images[0], ValueError, r"got \(8, 8, 1\)"),
        (lambda images: "a.png", TypeError, "a list of files"),
        (lambda images: ["no.png"], FileNotFoundError, "no.png"),
    ],
)
def test_other_images_are_refused(network, images, make, error, message):
    with pytest.raises(error, match=message):
        network(make(images[:2]))


@pytest.mark.thorough
def test_a_layer_that_is_not_there_is_refused_with_those_that_are(network, images):
    with pytest.raises(ValueError, match=r"\(input, hidden1, .*head.*got 'stage9'"):
        network.features(images[:2], "stage9")


def test_an_unfinished_run_and_an_old_one_are_refused(trained, tmp_path):
    with pytest.raises(ValueError, match="not the folder of a run"):
        mixup_jax.load(tmp_path)
    shutil.copy(trained / "config.json", tmp_path)
    with pytest.raises(ValueError, match="not finished"):
        mixup_jax.load(tmp_path)
    shutil.copy(trained / "result.json", tmp_path)
    with pytest.raises(Exception, match="checkpoints does not exist"):
        mixup_jax.load(tmp_path)
    old = json.loads((tmp_path / "config.json").read_text())
    del old["data"]
    (tmp_path / "config.json").write_text(json.dumps(old))
    with pytest.raises(ValueError, match="what data it was trained on"):
        mixup_jax.load(tmp_path)


def test_alphas_side_by_side_are_not_averaged(trained):
    with pytest.raises(ValueError, match=r"alpha must be one of .*1.0.*got 0.5"):
        mixup_jax.load(trained, alpha=0.5)
    assert mixup_jax.load(trained, alpha=1.0).seeds == (0, 1)
