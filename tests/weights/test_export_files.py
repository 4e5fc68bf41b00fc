"""An export: timm and a process without this project compute what the network does; damage is seen."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from untrained import CLASSES, OF_OURS, OF_TIMM, images_for, untrained

from mixup_jax import load
from mixup_jax.choices.networks import ViT
from mixup_jax.models.layers.convolution import conv_general_dilated
from mixup_jax.network import Network
from mixup_jax.weights.export import program_bytes, write_export
from mixup_jax.weights.initial import initial_weights, network_of
from mixup_jax.weights.tensors import from_tensors, to_tensors
from mixup_jax.weights.timm_form import timm_form
from mixup_jax.weights.timm_names import flat

EVERY = OF_TIMM | OF_OURS
ALONE = """
import sys
sys.modules.update(dict.fromkeys(("mixup_jax", "experiments", "flax", "optax", "orbax")))  # importing them fails
import numpy as np
from jax import export
program = export.deserialize(bytearray(open("model.stablehlo", "rb").read()))
np.save("probabilities.npy", program.call(np.load("images.npy")))
print(*program.platforms)
"""


def write(network, folder, program=False, **options):
    options = {"index": 0, "checkpoint": "newest", "measured": {"test_error": 50.0}} | options
    return write_export(network, folder, program=program, **options)


def logits(network: Network, images):
    return np.asarray(jax.jit(network.apply)(network.variables(), network.normalize(images)))


@pytest.mark.thorough
@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"resnext", "mixer_s16"}))
def test_variables_are_the_same_after_they_were_tensors(name):
    model, shape = EVERY[name]
    variables = untrained(model, shape).variables()
    again = from_tensors(model, shape, to_tensors(model, shape, variables), variables)
    jax.tree.map(np.testing.assert_array_equal, again, jax.tree.map(np.asarray, variables))


@pytest.mark.parametrize("name", OF_TIMM)
def test_timm_loads_an_export_to_the_same_logits(name, tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    timm = pytest.importorskip("timm", reason="timm is not installed")
    from safetensors.torch import load_file

    network = untrained(*OF_TIMM[name])
    form = write(network, tmp_path / "export")["weights"]["timm"]
    built = timm.create_model(form["architecture"], num_classes=len(CLASSES), **form["options"])
    built.load_state_dict(load_file(tmp_path / "export" / "model.safetensors"), strict=True)
    found = timm.create_model(f"local-dir:{tmp_path / 'export'}", pretrained=True)
    images = images_for(network, 3)
    expected = logits(network, images)
    x = torch.tensor(np.asarray(network.normalize(images))).permute(0, 3, 1, 2)
    for theirs in (built.eval(), found.eval()):
        with torch.no_grad():
            np.testing.assert_allclose(theirs(x).numpy(), expected, rtol=0, atol=1e-4 * abs(expected).max())
    config = timm.data.resolve_data_config({}, model=found)
    assert (tuple(config["mean"]), tuple(config["std"])) == (network.mean, network.std)
    assert tuple(config["input_size"]) == (network.image_shape[2], *network.image_shape[:2])


@pytest.mark.parametrize("name", OF_OURS)
def test_what_timm_lacks_says_why(name, tmp_path):
    network = untrained(*OF_OURS[name])
    content = write(network, tmp_path / "export")
    assert content["weights"]["names"] == "mixup_jax"
    assert content["weights"]["why"] in (tmp_path / "export" / "README.md").read_text()
    assert not (tmp_path / "export" / "config.json").exists()


@pytest.mark.thorough
@pytest.mark.parametrize(
    "name", sorted(OF_OURS.keys() | {"vit", "big_vision", "convnext"} - {"convnext_pairs", "tanh_mixer"})
)
def test_a_program_takes_any_number_of_images(name, monkeypatch):
    monkeypatch.setattr("mixup_jax.weights.export.PLATFORMS", ("cpu",))
    network = untrained(*EVERY[name])
    exported = export.deserialize(bytearray(program_bytes(network)))
    for count in (1, 5):
        images = images_for(network, count)
        np.testing.assert_allclose(exported.call(images), network(images), rtol=0, atol=1e-6)


def test_a_wide_convolution_can_be_exported_with_a_batch_of_any_size():
    (count,) = export.symbolic_shape("n")
    images, kernel = jax.ShapeDtypeStruct((count, 8, 8, 128), jnp.float32), jnp.ones((3, 3, 128, 128))
    numbers = ("NHWC", "HWIO", "NHWC")
    convolve = partial(
        conv_general_dilated, rhs=kernel, window_strides=(1, 1), padding="SAME", dimension_numbers=numbers
    )
    exported = export.export(jax.jit(lambda x: convolve(x)))(images)
    x = np.random.RandomState(0).standard_normal((2, 8, 8, 128)).astype(np.float32)
    np.testing.assert_allclose(exported.call(x), jax.jit(convolve)(x), rtol=1e-4, atol=1e-3)


@pytest.mark.thorough
def test_a_process_without_this_project_runs_the_program(tmp_path):
    network = untrained(*OF_TIMM["vit"])
    write(network, tmp_path / "export", program=True)
    images = images_for(network, 4)
    np.save(tmp_path / "export" / "images.npy", images)
    command = [sys.executable, "-I", "-W", "error", "-c", ALONE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, cwd=tmp_path / "export")
    assert done.returncode == 0, done.stderr
    assert {"cpu", "cuda", "tpu"} <= set(done.stdout.split())
    np.testing.assert_allclose(np.load(tmp_path / "export" / "probabilities.npy"), network(images), rtol=0, atol=1e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["preact_resnet", "big_vision"])
def test_an_export_is_read_to_the_same_network(name, tmp_path):
    network = untrained(*EVERY[name], seeds=2)
    write(network, tmp_path / "export", index=1)
    again, images = load(tmp_path / "export"), images_for(network, 3)
    second = jax.tree.map(lambda leaf: leaf[1:], (network.params, network.batch_stats))
    alone = replace(network, params=second[0], batch_stats=second[1], seeds=(1,))
    np.testing.assert_array_equal(again(images), alone(images))
    assert (again.classes, again.seeds, again.mean, again.std) == (CLASSES, (1,), network.mean, network.std)
    assert (again.config, again.identity, again.as_input) == (network.config, network.identity, network.as_input)


def test_a_network_that_says_nan_predicts_nothing():
    network = untrained(*OF_OURS["mlp"], seeds=2)
    damaged = jax.tree.map(lambda leaf: leaf.at[1].set(jnp.nan), network.params)  # of one seed
    with pytest.raises(ValueError, match="not finite"):
        replace(network, params=damaged)(images_for(network, 3))


@pytest.mark.parametrize("name", ["preact_resnet", "vit"])
def test_a_run_starts_from_an_export_whatever_its_names(name, tmp_path):
    network = untrained(*EVERY[name])
    write(network, tmp_path / "export")
    assert network.config is not None
    assert network.identity is not None
    assert network_of(tmp_path / "export", network.config.model) == network.config.model
    weights = initial_weights(replace(network.config, init=str(tmp_path / "export")), network.identity)
    expected = {path: leaf for part in network.variables().values() for path, leaf in flat(part).items()}
    assert weights.arrays.keys() == expected.keys()
    for path, leaf in expected.items():
        np.testing.assert_array_equal(weights.arrays[path], leaf, err_msg=path)
    assert (weights.mean, weights.std) == (network.mean, network.std)


@pytest.mark.parametrize("positions", ["learned", "learned_patches", "sincos2d"])
@pytest.mark.parametrize("shape", [(32, 8, 3), (12, 20, 3)])  # 8 x 2 patches are as many as 4 x 4; 3 x 5 and a token
def test_the_file_of_an_export_of_images_that_are_not_square_is_read_as_its_folder_is(tmp_path, shape, positions):
    network = untrained(ViT(width=32, depth=1, heads=4, patch=4, positions=positions), shape)
    write(network, tmp_path)
    config, data = network.config, network.identity
    assert config is not None
    assert data is not None
    for other in (data, replace(data, image_shape=(16, 16, 3))):
        folder, file = (
            initial_weights(replace(config, init=str(path)), other)
            for path in (tmp_path, tmp_path / "model.safetensors")
        )
        assert folder.rows[1:] == tuple(
            (how, what.replace("pos_embed", "stem/positions")) for how, what in file.rows[1:]
        )
        jax.tree.map(np.testing.assert_array_equal, folder.arrays, file.arrays)


def test_weights_too_large_for_a_program_are_refused(monkeypatch):
    monkeypatch.setattr("mixup_jax.weights.export.LARGEST", 100)
    with pytest.raises(ValueError, match="--no-program"):
        program_bytes(untrained(*OF_OURS["mlp"]))


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = untrained(*OF_OURS["mlp"])
    spoilt = replace(network, params=jax.tree.map(lambda leaf: leaf * jnp.nan, network.params))
    with pytest.raises(ValueError, match="not finite"):
        write(spoilt, tmp_path / "export")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def exported(tmp_path):
    """The folder of an export."""
    write(untrained(*OF_TIMM["vit"]), tmp_path / "export")
    return tmp_path / "export"


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_export_is_replaced_by_the_next_and_stays_whole_where_that_fails(exported, monkeypatch):
    before = files_of(exported)
    monkeypatch.setattr("mixup_jax.weights.export.model_card", lambda content: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(untrained(*OF_OURS["mlp"]), exported)
    assert files_of(exported) == before
    monkeypatch.undo()
    write(untrained(*OF_OURS["mlp"]), exported)
    assert "config.json" not in files_of(exported)
    assert load(exported).image_shape == (8, 8, 1)
    assert [path.name for path in exported.parent.iterdir()] == ["export"]


@pytest.mark.parametrize("name", ["notes.txt", ".git", "README.md", "config.json"])
def test_a_folder_with_anything_else_is_refused(exported, name):
    (exported / name).write_text("mine")
    before = files_of(exported)
    if name == "config.json":  # a run's
        (exported / "model.json").unlink()
    with pytest.raises(ValueError, match="choose another --output"):
        write(untrained(*OF_OURS["mlp"]), exported)
    assert before.items() >= files_of(exported).items()


def rewrite(folder, **fields):
    path = folder / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


HOSTILE = {
    "another format": {"format": "other"},
    "a later version": {"version": 2},
    "no classes": {"classes": []},
    "more classes than the weights have": {"classes": [*CLASSES, "dog"]},
    "an image that fits no memory": {"image_shape": [10**9, 10**9, 3]},
    "a table of positions that fits no memory": {
        "image_shape": [4096, 4096, 3],
        "config": {"model": {"name": "vit", "width": 4096, "patch": 1, "positions": "sincos2d"}},
    },
    "another network": {"config": {"model": {"name": "vit", "width": 64, "depth": 2, "patch": 4}}},
    "more layers than a network may have": {"config": {"model": {"name": "vit", "width": 32, "depth": 10**6}}},
    "an unknown network": {"config": {"model": {"name": "transformer"}}},
    "an option that there is not": {"input": {"colour": "red"}},
    "data of another kind": {"data": {"mark": "REAL"}},
    "a mean of no number": {"mean": ["a", "b", "c"]},
    "a standard deviation of 0": {"std": [0.0, 0.0, 0.0]},
    "no digests": {"files": {}},
    "a crop of nothing": {"input": {"test_crop": 0, "interpolation": "linear", "streamed": True}},
    "a crop of more than the image": {"input": {"test_crop": 5, "interpolation": "linear", "streamed": True}},
    "an unknown interpolation": {"input": {"test_crop": 1.0, "interpolation": "nearest", "streamed": False}},
    "a word for a truth": {"input": {"test_crop": 1.0, "interpolation": "linear", "streamed": "no"}},
}


@pytest.mark.thorough
@pytest.mark.parametrize("what", HOSTILE)
def test_a_description_that_does_not_fit_is_one_line(exported, what):
    rewrite(exported, **HOSTILE[what])
    with pytest.raises(ValueError, match=str(exported)) as caught:
        load(exported)
    assert "\n" not in str(caught.value)


def truncated(content):
    return content[:-5]


def huge_header(content):
    return (2**62).to_bytes(8, "little") + content[8:]


def other_dtype(content):
    return content.replace(b'"F32"', b'"I32"')


def other_name(content):
    return content.replace(b"head.bias", b"hand.bias")


def other_bits(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize("damage", [truncated, huge_header, other_dtype, other_name, other_bits, lambda content: b""])
def test_damaged_weights_are_one_line(exported, damage):
    path = exported / "model.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=str(path)) as caught:
        load(exported)
    assert "\n" not in str(caught.value)


def test_an_export_without_weights_is_one_line(exported):
    (exported / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="not whole"):
        load(exported)


def test_an_export_takes_no_choice_among_networks(exported):
    with pytest.raises(ValueError, match="is an export"):
        load(exported, checkpoint="best")


@pytest.mark.parametrize("name", OF_TIMM)
def test_dropout_changes_no_form(name):
    model, shape = OF_TIMM[name]
    option = "stochastic_depth" if hasattr(model, "stochastic_depth") else "dropout"
    assert timm_form(replace(model, **{option: 0.1}), shape) == timm_form(model, shape)
