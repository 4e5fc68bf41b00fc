"""Weights in files of other libraries give the logits that their own networks give, from random weights."""

from dataclasses import replace

import numpy as np
import pytest
from weight_files import CLASSES, VIT, assert_close, images, logits, weights_of

from mixup_jax.choices.networks import ConvNeXt, MLPMixer, ResNet
from mixup_jax.weights.timm_names import to_timm


def random_weights(network):
    """Give a network of PyTorch random weights and statistics, whatever it starts with."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, leaf in network.state_dict().items():
            noise = torch.randn(leaf.shape, generator=generator)
            if name.endswith("running_var"):
                leaf.copy_(1 + 0.1 * noise.abs())
            elif leaf.is_floating_point():
                leaf.copy_(1 + 0.1 * noise if leaf.ndim == 1 else noise * leaf[0].numel() ** -0.5)
    return network.eval()


def theirs(network, size):
    import torch

    with torch.no_grad():
        out = network(torch.tensor(images(size)).permute(0, 3, 1, 2))
    return getattr(out, "logits", out).numpy()


def save(network, path):
    if path.suffix == ".pth":
        import torch

        torch.save(network.state_dict(), path)
    else:
        from safetensors.torch import save_file

        save_file(network.state_dict(), path)
    return path


TIMM = {
    "vit": (
        VIT,
        "vision_transformer.VisionTransformer",
        {"patch_size": 4, "embed_dim": 32, "depth": 2, "num_heads": 4},
        24,
    ),
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
    [
        ("resnet18", torchvision_resnet),
        ("resnet50", timm_resnet),
        pytest.param("resnext101_64x4d", torchvision_resnet, marks=pytest.mark.slow),
    ],
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
