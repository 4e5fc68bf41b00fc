"""Recipes in which mixup is used today, for ImageNet: each a paper's, with the accuracy that its authors published.

docs/recipes.md says which to take, docs/recipes/ what each is, what it costs and where ours departs. None was run here.
"""

from dataclasses import replace
from typing import NamedTuple

from mixup_jax.choices import (
    AdamW,
    BigVisionRandAugment,
    BinaryCrossEntropy,
    Cosine,
    Data,
    Lamb,
    Linear,
    Mixup,
    RandAugment,
    Switch,
    ThreeAugment,
)
from mixup_jax.choices.networks import ConvNeXt, MLPMixer, ResNet, ViT
from mixup_jax.config import Config

IMAGES = 1_281_167
WARMUP_STEPS = 10_000
"""Of big_vision's recipes."""


class Recipe(NamedTuple):
    """A recipe and its published top-1 accuracy in per cent; `confirmed` where the number was read in the source."""

    title: str
    config: Config
    top1: float
    source: str
    confirmed: bool = True

    @property
    def description(self) -> str:
        """Return one line for the list of presets."""
        doubt = "" if self.confirmed else " (unconfirmed)"
        return f"{self.title}; published: top-1 error {100 - self.top1:.1f} %{doubt}."


# big_vision mixes and augments on each device alone; runs of 32 images do so on any number of devices up to 32.
PLAIN_VIT = Config(
    data=Data("imagenet", pad_crop=0, flip=True, crop="tensorflow"),
    augment=BigVisionRandAugment(operations=2, magnitude=10.0),
    model=ViT(
        width=384,
        depth=12,
        heads=6,
        patch=16,
        pool="gap",
        positions="sincos2d",
        pre_logits=True,
        gelu="tanh",
        head_init="zeros",
        initialization="big_vision",
    ),
    mixing=Mixup(alpha=0.2, partner="roll", block=32),
    # 1e-4 there is not multiplied by the learning rate: 0.1 in AdamW.
    optimizer=AdamW(lr=1e-3, weight_decay=0.1, clip=1.0, moment_dtype="bfloat16"),
    schedule=Cosine(warmup_epochs=WARMUP_STEPS * 1024 / IMAGES),
    batch_size=1024,
    epochs=90.0,
    compute_dtype="bfloat16",
)

# Released code: the batch reversed on each of its GPUs.
BOTH = Switch(alpha=0.8, cutmix_alpha=1.0, switch_probability=0.5, partner="flip", block=32)

DEIT = Config(
    data=Data("imagenet", pad_crop=0, flip=True, interpolation="bicubic", repeats=3, erase=0.25),
    augment=RandAugment(operations=2, magnitude=9.0, magnitude_std=0.5),
    model=ViT(width=384, depth=12, heads=6, patch=16, stochastic_depth=0.1),
    mixing=BOTH,
    optimizer=AdamW(lr=1e-3, weight_decay=0.05),
    schedule=Cosine(end_lr=1e-5, warmup_epochs=5.0, warmup_start=1e-6, warmup_prefix=False, lr_per="epoch"),
    batch_size=1024,
    epochs=300.0,
    label_smoothing=0.1,
    ema=0.99996,
    compute_dtype="bfloat16",
)

DEIT3 = Config(
    data=Data("imagenet", pad_crop=0, flip=True, interpolation="bicubic", repeats=3, color_jitter=0.3, test_crop=1.0),
    augment=ThreeAugment(),
    model=ViT(
        width=384,
        depth=12,
        heads=6,
        patch=16,
        positions="learned_patches",
        layer_scale=1e-4,
        stochastic_depth=0.05,
        stochastic_depth_rule="uniform",
    ),
    mixing=BOTH,
    loss=BinaryCrossEntropy(target_threshold=0.0),
    optimizer=Lamb(lr=4e-3, weight_decay=0.05),
    schedule=DEIT.schedule,
    batch_size=2048,
    epochs=800.0,
    compute_dtype="bfloat16",
)

RSB_A2 = Config(
    data=Data("imagenet", pad_crop=0, flip=True, interpolation="bicubic", repeats=3, test_crop=0.95),
    augment=RandAugment(operations=2, magnitude=7.0, magnitude_std=0.5),
    model=ResNet("resnet50", stochastic_depth=0.05),
    mixing=replace(BOTH, alpha=0.1),
    # Both labels of a mixture count in full. (A threshold of 0.2, found in others' configurations, is an option.)
    loss=BinaryCrossEntropy(target_threshold=0.0),
    optimizer=Lamb(lr=5e-3, weight_decay=0.02),
    schedule=Cosine(end_lr=1e-6, warmup_epochs=5.0, warmup_start=5e-7, lr_per="epoch"),
    batch_size=2048,
    epochs=300.0,
    compute_dtype="bfloat16",
)
RSB_A1 = replace(
    RSB_A2,
    mixing=replace(BOTH, alpha=0.2),
    loss=BinaryCrossEntropy(),  # smoothed targets: a threshold of 0 would turn every class on
    optimizer=Lamb(lr=5e-3, weight_decay=0.01),
    label_smoothing=0.1,
    epochs=600.0,
)
RSB_A3 = replace(
    RSB_A2,
    data=replace(RSB_A2.data, repeats=1, image_size=160, test_size=224),
    augment=replace(RSB_A2.augment, magnitude=6.0),
    model=ResNet("resnet50"),
    optimizer=Lamb(lr=8e-3, weight_decay=0.02),
    schedule=replace(RSB_A2.schedule, warmup_start=8e-7),
    epochs=100.0,
)

CONVNEXT = Config(
    data=Data("imagenet", pad_crop=0, flip=True, interpolation="bicubic", erase=0.25),
    augment=RandAugment(operations=2, magnitude=9.0, magnitude_std=0.5),
    model=ConvNeXt(stochastic_depth=0.1, remat=True),  # 256 images a chip of 16 GB do not fit without
    mixing=BOTH,
    optimizer=AdamW(lr=4e-3, weight_decay=0.05),
    schedule=Cosine(end_lr=1e-6, warmup_epochs=20.0),
    batch_size=4096,
    epochs=300.0,
    label_smoothing=0.1,
    ema=0.9999,
    compute_dtype="bfloat16",
)

MIXER = replace(
    PLAIN_VIT,
    augment=BigVisionRandAugment(operations=2, magnitude=15.0),
    model=MLPMixer(
        width=768,
        depth=12,
        patch=16,
        gelu="tanh",
        stochastic_depth=0.1,
        stochastic_depth_rescale=False,
        head_bias=-6.9,
    ),
    mixing=Mixup(alpha=0.5, partner="roll", block=32),
    loss=BinaryCrossEntropy(sum_classes=True),
    schedule=Linear(end_lr=1e-8, warmup_epochs=WARMUP_STEPS * 4096 / IMAGES),  # 1e-5 there, a share of the highest
    batch_size=4096,
    epochs=300.0,
)


def sized(config: Config, width: int, heads: int) -> Config:
    """Return the recipe with a ViT of another width."""
    assert isinstance(config.model, ViT)
    return replace(config, model=replace(config.model, width=width, heads=heads))


RECIPES = {
    "vit-s16-90": Recipe("ViT-S/16, 90 epochs", PLAIN_VIT, 76.5, "arXiv 2205.01580, the configuration's docstring"),
    "vit-s16-150": Recipe(
        "ViT-S/16, 150 epochs", replace(PLAIN_VIT, epochs=150.0), 78.5, "arXiv 2205.01580", confirmed=False
    ),
    "vit-s16-300": Recipe("ViT-S/16, 300 epochs", replace(PLAIN_VIT, epochs=300.0), 80.0, "arXiv 2205.01580, abstract"),
    "deit-ti16": Recipe("DeiT-Ti/16, 300 epochs", sized(DEIT, 192, 3), 72.2, "arXiv 2012.12877, README"),
    "deit-s16": Recipe("DeiT-S/16, 300 epochs", DEIT, 79.9, "arXiv 2012.12877, README"),
    "deit-b16": Recipe("DeiT-B/16, 300 epochs", sized(DEIT, 768, 12), 81.8, "arXiv 2012.12877, README"),
    "deit3-s16": Recipe("DeiT III-S/16, 800 epochs", DEIT3, 81.4, "arXiv 2204.07118, README"),
    "resnet50-a1": Recipe(
        "ResNet-50, A1 of ResNet strikes back, 600 epochs", RSB_A1, 80.4, "arXiv 2110.00476, abstract"
    ),
    "resnet50-a2": Recipe("ResNet-50, A2, 300 epochs", RSB_A2, 79.8, "arXiv 2110.00476", confirmed=False),
    "resnet50-a3": Recipe("ResNet-50, A3, 100 epochs at 160", RSB_A3, 78.1, "arXiv 2110.00476", confirmed=False),
    "convnext-tiny": Recipe("ConvNeXt-T, 300 epochs", CONVNEXT, 82.1, "arXiv 2201.03545, README"),
    "mixer-b16": Recipe("Mixer-B/16, 300 epochs", MIXER, 76.3, "big_vision's configuration, docstring"),
}
