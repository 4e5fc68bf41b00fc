"""The networks with torchvision's names are torchvision's, weights copied over."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.config import CHOICES
from mixup_jax.models import build

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
from benchmarks.peers.torch_preact_resnet import state_dict  # noqa: E402

HIDDEN = {"alexnet": ("1", "4", "6"), "vgg16": ("0", "3", "6"), "vgg16_bn": ("0", "3", "6")}
"""Places of the three last layers in torchvision's classifier."""


def of_resnet(name):
    """Return torchvision's name of one of our parameters."""
    name = re.sub(r"^stem\.(conv|bn)", r"\g<1>1", name).replace("head.dense", "fc")
    name = re.sub(r"^stage(\d)\.block(\d+)", lambda m: f"layer{m[1]}.{int(m[2]) - 1}", name)
    return name.replace("shortcut_bn", "downsample.1").replace("shortcut", "downsample.0")


def of_plain(model, theirs):
    """Return a function that does the same for AlexNet and VGG, where torchvision numbers the layers."""
    places = [name.split(".")[1] for name in theirs if name.startswith("features") and name.endswith(".weight")]
    norm = model.endswith("bn")
    layers = [(s, c) for s, count in STAGES[model.removesuffix("_bn")] for c in range(1, count + 1)]
    kinds = ("conv", "bn") if norm else ("conv",)
    ours = [f"stage{s}.{kind}{c}" for s, c in layers for kind in kinds]
    numbers = dict(zip(ours, places, strict=True))
    heads = dict(zip(("head.hidden1", "head.hidden2", "head.dense"), HIDDEN[model], strict=True))

    def rename(name):
        layer, leaf = name.rsplit(".", 1)
        return f"classifier.{heads[layer]}.{leaf}" if layer in heads else f"features.{numbers[layer]}.{leaf}"

    return rename


STAGES = {
    "alexnet": ((1, 1), (2, 1), (3, 3)),
    "vgg16": ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3)),
}


@pytest.mark.slow
def theirs_named(name):
    """Return torchvision's network of this name; it has the parts of ResNeXt-101 32x4d, and no name for it."""
    if name == "resnext101_32x4d":
        resnet = torchvision.models.resnet
        return resnet.ResNet(resnet.Bottleneck, [3, 4, 23, 3], groups=32, width_per_group=4)
    return torchvision.models.get_model(name, weights=None)


@pytest.mark.parametrize(
    "name",
    [
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnext101_32x4d",
        "resnext101_64x4d",
        "alexnet",
        "vgg16",
        "vgg16_bn",
    ],
)
def test_it_is_torchvisions(name):
    reference = theirs_named(name).eval()
    theirs = reference.state_dict()
    ours, generator = build(CHOICES["model"][name](), 1000), np.random.default_rng(0)
    image = generator.normal(size=(2, 96, 96, 3)).astype(np.float32)
    variables = jax.eval_shape(partial(ours.init, train=False), jax.random.key(0), jnp.asarray(image))

    def draw(leaf):
        start, width = (0.0, np.prod(leaf.shape[:-1]) ** -0.5) if len(leaf.shape) > 1 else (1.0, 0.1)
        return (start + width * generator.standard_normal(leaf.shape, np.float32)).astype(np.float32)

    variables = jax.tree.map(draw, variables)
    copied = dict(variables["params"])
    if "hidden1" in copied["head"]:  # our channels come last when the image is flattened, theirs first
        kernel, size = copied["head"]["hidden1"]["kernel"], 6 if name == "alexnet" else 7
        turned = kernel.reshape(size, size, -1, kernel.shape[-1]).transpose(2, 0, 1, 3).reshape(kernel.shape)
        copied["head"] = copied["head"] | {"hidden1": copied["head"]["hidden1"] | {"kernel": turned}}
    rename = of_resnet if name.startswith("res") else of_plain(name, theirs)
    state = {rename(k): v for k, v in (state_dict(copied) | state_dict(variables.get("batch_stats", {}))).items()}
    assert {k: v.shape for k, v in state.items()} == {k: v.shape for k, v in theirs.items() if "num_batches" not in k}
    reference.load_state_dict(state, strict=False)
    with torch.no_grad():
        expected = reference(torch.tensor(image).permute(0, 3, 1, 2)).numpy()
    logits = jax.jit(partial(ours.apply, train=False))(variables, image)
    np.testing.assert_allclose(logits / abs(expected).max(), expected / abs(expected).max(), rtol=0, atol=1e-4)
