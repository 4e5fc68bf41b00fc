"""Weights in files of other libraries give the logits that their own networks give, from random weights."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.choices.networks import ConvNeXt, MLPMixer, ResNet, ViT
from mixup_jax.config import Config
from mixup_jax.data.identity import DataIdentity
from mixup_jax.models import build
from mixup_jax.steps.state import with_given
from mixup_jax.weights.initial import initial_weights
from mixup_jax.weights.timm_names import flat, to_timm

CLASSES = 7
HEADS = {"num_heads": 4}


def data_of(size, classes=CLASSES, channels=3):
    names = tuple(map(str, range(classes)))
    return DataIdentity("REAL", names, (size, size, channels), (0.3,) * channels, (0.2,) * channels, 9, 9, False, {})


def weights_of(path, model, size=24, **data):
    return initial_weights(Config(model=model, init=str(path)), data_of(size, **data))


def images(size):
    return np.random.RandomState(1).uniform(-1, 1, (2, size, size, 3)).astype(np.float32)


def logits(path, model, size):
    """Return the logits of our network, all of whose weights are those of a file."""
    network, given = build(model, CLASSES), weights_of(path, model, size).arrays
    image = images(size)
    variables = jax.eval_shape(partial(network.init, train=False), jax.random.key(0), image)
    assert given.keys() == {name for part in variables.values() for name in flat(part)}
    drawn = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), variables)
    return np.asarray(jax.jit(partial(network.apply, train=False))(with_given(drawn, given), image))


def random_weights(network):
    """Give a network of PyTorch random weights and statistics, whatever it starts with."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, leaf in network.state_dict().items():
            if leaf.is_floating_point():
                noise = torch.randn(leaf.shape, generator=generator)
                around = (
                    1.0 if name.endswith(("running_var", "gamma", "layer_scale_parameter")) or leaf.ndim == 1 else 0.0
                )
                scale = 0.1 if leaf.ndim == 1 else leaf[0].numel() ** -0.5
                leaf.copy_(around + scale * noise if not name.endswith("running_var") else 1 + 0.1 * noise.abs())
    return network.eval()


def theirs(network, size):
    import torch

    with torch.no_grad():
        out = network(torch.tensor(images(size)).permute(0, 3, 1, 2))
    return getattr(out, "logits", out).numpy()


def assert_close(ours, expected):
    np.testing.assert_allclose(ours / abs(expected).max(), expected / abs(expected).max(), rtol=0, atol=1e-4)


def save(network, path):
    if path.suffix == ".pth":
        import torch

        torch.save(network.state_dict(), path)
    else:
        from safetensors.torch import save_file

        save_file(network.state_dict(), path)
    return path


VIT = ViT(width=32, depth=2, heads=4, patch=4)
TIMM = {
    "vit": (VIT, "vision_transformer.VisionTransformer", {"patch_size": 4, "embed_dim": 32, "depth": 2} | HEADS, 24),
    "convnext": (
        ConvNeXt(width=8, blocks=(1, 2, 1, 1)),
        "convnext.ConvNeXt",
        {"depths": (1, 2, 1, 1), "dims": (8, 16, 32, 64)},
        44,
    ),
    "mixer": (
        MLPMixer(width=32, depth=2, patch=4),
        "mlp_mixer.MlpMixer",
        {"patch_size": 4, "num_blocks": 2, "embed_dim": 32},
        24,
    ),
}


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("name", TIMM)
def test_files_of_timm_give_its_logits(tmp_path, name, suffix):
    import importlib

    pytest.importorskip("timm")
    model, kind, options, size = TIMM[name]
    module, kind = kind.split(".")
    options |= {} if name == "convnext" else {"img_size": size}
    network = random_weights(
        getattr(importlib.import_module(f"timm.models.{module}"), kind)(num_classes=CLASSES, **options)
    )
    assert_close(logits(save(network, tmp_path / f"weights{suffix}"), model, size), theirs(network, size))


def torchvision_resnet(name):
    return getattr(pytest.importorskip("torchvision.models"), name)(num_classes=CLASSES)


def timm_resnet(name):
    return pytest.importorskip("timm").create_model(name, num_classes=CLASSES)


@pytest.mark.parametrize(
    ("name", "library"),
    [("resnet18", torchvision_resnet), ("resnet50", timm_resnet), ("resnext101_64x4d", torchvision_resnet)],
)
def test_files_of_resnets_give_their_logits_and_come_back(tmp_path, library, name):
    network = random_weights(library(name))
    path = save(network, tmp_path / "weights.pth")
    assert_close(logits(path, ResNet(name), 40), theirs(network, 40))
    state, given = network.state_dict(), weights_of(path, ResNet(name), 40).arrays
    again = to_timm(name, given)
    assert again.keys() == {name for name in state if not name.endswith("num_batches_tracked")}
    for key, leaf in again.items():
        np.testing.assert_array_equal(leaf, state[key].numpy())


def test_files_of_torchvisions_transformer_and_convnext_give_their_logits(tmp_path):
    models = pytest.importorskip("torchvision.models")
    vit = models.VisionTransformer(24, 4, 2, 4, 32, 128, num_classes=CLASSES)
    vit = random_weights(vit)
    assert_close(logits(save(vit, tmp_path / "vit.pth"), VIT, 24), theirs(vit, 24))
    widths = (8, 16, 32, 64, None)
    setting = [models.convnext.CNBlockConfig(*widths[i : i + 2], count) for i, count in enumerate((1, 2, 1, 1))]
    convnext = random_weights(models.ConvNeXt(setting, num_classes=CLASSES))
    path = save(convnext, tmp_path / "convnext.safetensors")
    assert_close(logits(path, TIMM["convnext"][0], 44), theirs(convnext, 44))


def hugging_face():
    """Return the networks of Hugging Face that are small, ours, and the side of their images."""
    hf = pytest.importorskip("transformers")
    pytest.importorskip("torch")
    vit = hf.ViTConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        image_size=24,
        patch_size=4,
        num_labels=CLASSES,
    )
    convnext = hf.ConvNextConfig(hidden_sizes=[8, 16, 32, 64], depths=[1, 2, 1, 1], num_labels=CLASSES)
    sizes = {"embedding_size": 16, "hidden_sizes": [64, 128, 256, 512], "num_labels": CLASSES}
    resnet = hf.ResNetConfig(depths=[3, 4, 6, 3], **sizes)
    return [
        (hf.ViTForImageClassification(vit), VIT, 24),
        (hf.ConvNextForImageClassification(convnext), TIMM["convnext"][0], 44),
        (hf.ResNetForImageClassification(resnet), ResNet("resnet50", width=16), 40),
    ]


def test_folders_of_hugging_face_give_their_logits_and_say_the_form(tmp_path):
    for network, model, size in hugging_face():
        folder = tmp_path / model.name
        random_weights(network).save_pretrained(folder)
        assert_close(logits(folder, model, size), theirs(network, size))
    with pytest.raises(ValueError, match="heads is 4 there, 2 here; it needs --heads 4"):
        weights_of(tmp_path / "vit", replace(VIT, heads=2))
