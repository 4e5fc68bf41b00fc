"""Archives in the form of AugReg and big_vision give the logits of networks that are written by their rules in Flax."""

import json
from dataclasses import replace

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file
from untrained import untrained
from weight_files import CLASSES, VIT, assert_close, data_of, images, logits, weights_of

from mixup_jax.choices.networks import MLPMixer, ResNet
from mixup_jax.runtime.identity import changed_parts
from mixup_jax.weights.fitting import resized
from mixup_jax.weights.initial import normalized_as
from mixup_jax.weights.timm_names import flat, to_timm


class MlpBlock(nn.Module):
    hidden: int

    @nn.compact
    def __call__(self, x):
        y = nn.gelu(nn.Dense(self.hidden)(x))
        return nn.Dense(x.shape[-1])(y)


class EncoderBlock(nn.Module):
    @nn.compact
    def __call__(self, x):
        y = nn.LayerNorm()(x)
        x += nn.MultiHeadDotProductAttention(num_heads=4)(y, y)
        return x + MlpBlock(4 * x.shape[-1])(nn.LayerNorm()(x))


class Encoder(nn.Module):
    token: bool

    @nn.compact
    def __call__(self, x, cls=None):
        if self.token:
            x = jnp.concatenate([jnp.tile(cls, (len(x), 1, 1)), x], axis=1)
        x += self.param("pos_embedding", nn.initializers.normal(1.0), (1, *x.shape[1:]))
        for i in range(2):
            x = EncoderBlock(name=f"encoderblock_{i}")(x)
        return nn.LayerNorm(name="encoder_norm")(x)


class Transformer(nn.Module):
    """As AugReg with a token; as big_vision, gap, without."""

    token: bool

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(32, (4, 4), strides=(4, 4), padding="VALID", name="embedding")(x)
        x = x.reshape(len(x), -1, 32)
        cls = self.param("cls", nn.initializers.normal(1.0), (1, 1, 32)) if self.token else None
        x = Encoder(self.token, name="Transformer")(x, cls)
        x = x[:, 0] if self.token else x.mean(axis=1)
        return nn.Dense(CLASSES, name="head")(x)


class MixerBlock(nn.Module):
    @nn.compact
    def __call__(self, x):
        y = nn.LayerNorm()(x).swapaxes(1, 2)
        x += MlpBlock(16, name="token_mixing")(y).swapaxes(1, 2)
        return x + MlpBlock(128, name="channel_mixing")(nn.LayerNorm()(x))


class Mixer(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(32, (4, 4), strides=(4, 4), name="stem")(x)
        x = x.reshape(len(x), -1, 32)
        for _ in range(2):
            x = MixerBlock()(x)
        x = nn.LayerNorm(name="pre_head_layer_norm")(x).mean(axis=1)
        return nn.Dense(CLASSES, name="head")(x)


OLD = {
    "MultiHeadDotProductAttention_0": "MultiHeadDotProductAttention_1",
    "LayerNorm_1": "LayerNorm_2",
    "MlpBlock_0": "MlpBlock_3",
}
KINDS = {
    "augreg": (
        Transformer(True),
        replace(VIT, gelu="tanh"),
        OLD | {"Transformer/pos_embedding": "Transformer/posembed_input/pos_embedding"},
        "",
    ),
    "big_vision": (
        Transformer(False),
        replace(VIT, gelu="tanh", pool="gap"),
        {"Transformer/pos_embedding": "pos_embedding"},
        "params/",
    ),
    "mixer": (Mixer(), MLPMixer(width=32, depth=2, patch=4, gelu="tanh"), {}, "opt/target/"),
}


def saved(path, kind):
    """Save random weights as a library does; return the logits."""
    network, _, renamed, prefix = KINDS[kind]
    random, image = np.random.RandomState(0), images(24)
    shapes = jax.eval_shape(network.init, jax.random.key(0), image)
    variables = jax.tree.map(lambda leaf: random.standard_normal(leaf.shape).astype(np.float32) * 0.2, shapes)
    arrays = {}
    for name, leaf in flat(variables["params"]).items():
        for old, new in renamed.items():
            name = name.replace(old, new)
        arrays[prefix + name] = leaf
    np.savez(path, **arrays, **({"opt/count": np.ones(1)} if prefix else {}))
    return arrays, np.asarray(network.apply(variables, image))


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_archives_give_the_logits_of_the_rules(tmp_path, kind):
    path = tmp_path / "weights.npz"
    _, expected = saved(path, kind)
    assert_close(logits(path, KINDS[kind][1], 24), expected)


@pytest.mark.parametrize(("mean", "std"), [([123.675] * 3, [58.4] * 3), ([0.5] * 3, [0.0] * 3)])
def test_a_mean_and_deviation_that_are_not_for_pixels_up_to_one_are_refused(tmp_path, mean, std):
    saved(tmp_path / "weights.npz", "augreg")
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": mean, "image_std": std}))
    with pytest.raises(ValueError, match="pixels from 0 to 1") as error:
        weights_of(tmp_path / "weights.npz", KINDS["augreg"][1], 24)
    assert "\n" not in str(error.value)


def test_images_that_are_not_normalised_keep_their_pixels_whatever_numbers_stand_beside(tmp_path):
    saved(tmp_path / "weights.npz", "augreg")
    said = {"do_normalize": False, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    weights = weights_of(tmp_path / "weights.npz", KINDS["augreg"][1], 24)
    data = normalized_as(data_of(24), "source", weights)
    assert (data.mean, data.std) == ((0, 0, 0), (1, 1, 1))


def test_what_is_fitted_dropped_and_drawn_is_said(tmp_path):
    path, model = tmp_path / "weights.npz", KINDS["augreg"][1]
    arrays, _ = saved(path, "augreg")
    np.savez(path, **arrays, **{"pre_logits/kernel": np.ones((32, 32)), "pre_logits/bias": np.ones(32)})
    weights = weights_of(path, model, 32, classes=5)
    positions = arrays["Transformer/posembed_input/pos_embedding"][0]
    np.testing.assert_array_equal(weights.arrays["stem/positions"], resized(positions, 1, (6, 6), (8, 8)))
    np.testing.assert_array_equal(weights.arrays["stem/positions"][0], positions[0])
    said = dict.fromkeys(what for what, _ in weights.rows)
    resizing = "resized from 6 x 6 to 8 x 8, bicubic, antialiased"
    assert set(said) == {"from", "network", "used", "left out", "drawn anew", resizing}
    assert weights.mean == weights.std == (0.5, 0.5, 0.5)
    kept = weights_of(path, replace(model, pre_logits=True), 24, classes=5)
    np.testing.assert_array_equal(kept.arrays["head/pre_logits/kernel"], np.ones((32, 32)))
    assert not any(name.startswith("head/dense") for name in weights_of(path, model).arrays)  # of other features


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("model", "message"),
    [
        (VIT, "gelu is tanh there, exact here; it needs --gelu tanh"),
        (replace(VIT, gelu="tanh", heads=2), "heads is 4 there, 2 here"),
        (replace(VIT, gelu="tanh", depth=3), "block3/.* is absent there.*; it needs --depth 2"),
        (replace(VIT, gelu="tanh", patch=8), r"embedding/kernel is \(4, 4, 3, 32\) there, \(8, 8, 3, 32\).*--patch 4"),
    ],
)
def test_another_form_is_refused(tmp_path, model, message):
    path = tmp_path / "weights.npz"
    saved(path, "augreg")
    with pytest.raises(ValueError, match=message):
        weights_of(path, model)


NARROW = ResNet("resnet18", width=8)
COMPUTED = {
    "an activation of Hugging Face": (NARROW, {"hidden_act": "gelu"}),
    "an activation of timm": (VIT, {"model_args": {"act_layer": "quick_gelu"}}),
    "a pooling": (VIT, {"global_pool": "max"}),
    "a pooling among timm's arguments": (NARROW, {"global_pool": "avg", "model_args": {"global_pool": "avgmax"}}),
    "strides in the first convolution of a block": (NARROW, {"downsample_in_bottleneck": True}),
    "strides in the first stage": (NARROW, {"downsample_in_first_stage": True}),
    "blurs": (NARROW, {"architecture": "resnetblur18.a1_in1k"}),
}


@pytest.mark.parametrize("what", COMPUTED)
def test_what_the_same_arrays_would_compute_otherwise_is_refused(tmp_path, what):
    model, said = COMPUTED[what]
    network = untrained(model, (24, 24, 3)).variables()
    path, config = tmp_path / "model.safetensors", tmp_path / "config.json"
    save_file(to_timm(model.name, network["params"], network["batch_stats"]), path)
    known = {"hidden_act": "relu" if model is NARROW else "gelu", "downsample_in_bottleneck": False}
    config.write_text(json.dumps(known | {"architecture": "resnet18", "global_pool": "avg" if model is NARROW else ""}))
    weights_of(path, model, classes=3)
    config.write_text(json.dumps(said))
    with pytest.raises(ValueError, match=r"config\.json beside the weights says .*") as error:
        weights_of(path, model, classes=3)
    assert "\n" not in str(error.value)


def test_a_run_does_not_go_on_from_other_weights(tmp_path):
    path, model = tmp_path / "weights.npz", KINDS["mixer"][1]
    arrays, _ = saved(path, "mixer")
    before = weights_of(path, model).sha256
    saved(path, "mixer")
    assert weights_of(path, model).sha256 == before
    arrays["opt/target/stem/bias"][0] += 1
    np.savez(path, **arrays)
    first, here = ({"weights": {"sha256": each}} for each in (before, weights_of(path, model).sha256))
    assert changed_parts(first, first, {}) == ""
    assert changed_parts(first, here, {}).startswith("from other weights: sha256 is")


def test_positions_are_resized_as_timm_does():
    timm = pytest.importorskip("timm.layers")
    torch = pytest.importorskip("torch")
    positions = np.random.RandomState(0).standard_normal((50, 8)).astype(np.float32)
    for side in (4, 9, 14):
        theirs = timm.resample_abs_pos_embed(torch.tensor(positions[None]), [side, side], num_prefix_tokens=1)[0]
        np.testing.assert_allclose(resized(positions, 1, (7, 7), (side, side)), theirs.numpy(), atol=1e-5)
