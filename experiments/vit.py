"""Where mixing matters most: a small Vision Transformer with nothing, mixup, CutMix, or both.

On ImageNet and CIFAR-100 a transformer gains 4 to 10 points from mixing, a ResNet 1 to 2 (OpenMixup's tables, quoted in
docs/recipes.md). These presets are the question in small: a ViT of 4 blocks with patches of 4 x 4 pixels learns 2,000
images from scratch.

    python -m experiments.vit small-none                            # minutes on two CPU cores
    python -m experiments.vit small-both --dataset fashion_mnist
    python -m experiments.vit small-both --smoke                    # the whole path, under a minute
"""

from dataclasses import replace

from experiments.commands.command_line import run_presets
from mixup_jax.choices import AdamW, Cosine, CutMix, Data, Erm, Mixup, Switch
from mixup_jax.choices.networks import ViT
from mixup_jax.config import Config

# DeiT's recipe (AdamW, decay 0.05, warm-up, mixup 0.8 and CutMix 1) for a network and a data set of a laptop: gradients
# are clipped as in the plain ViT recipe, crops and mirror images stand in for RandAugment, erasing and repetition.
SMALL = Config(
    data=Data("cifar10", train_examples=2000, pad_crop=4, flip=True),
    model=ViT(width=64, depth=4, heads=2, patch=4, pool="gap", positions="sincos2d"),
    mixing=Erm(),
    optimizer=AdamW(lr=1e-3, weight_decay=0.05, clip=1.0),
    schedule=Cosine(warmup_epochs=5.0),
    batch_size=64,
    epochs=150.0,
    eval_every=25.0,
)

PRESETS = {
    "small-none": ("A small ViT, examples as they are.", SMALL),
    "small-mixup": ("A small ViT, mixup with alpha = 0.8.", replace(SMALL, mixing=Mixup(alpha=0.8))),
    "small-cutmix": ("A small ViT, CutMix with alpha = 1.", replace(SMALL, mixing=CutMix(cutmix_alpha=1.0))),
    "small-both": (
        "A small ViT, mixup or CutMix, one of them for each batch.",
        replace(SMALL, mixing=Switch(alpha=0.8, cutmix_alpha=1.0)),
    ),
}

if __name__ == "__main__":
    run_presets("vit", __doc__ or "", PRESETS, default="small-both")
