"""Which network of timm is the same function as one of ours, and how timm builds it."""

from dataclasses import dataclass
from typing import Any

from mixup_jax.choices.networks import ConvNeXt, MLPMixer, Network, ResNet, ViT, attention_heads

WIDTH, STAGES = 64, 4
"""The width of timm's ResNets, and the stages of its ConvNeXts: it builds no others."""
MIXERS = {(512, 8): "s", (768, 12): "b", (1024, 24): "l"}
"""The letter of the size of timm's MLP-Mixers, by width and depth; their patches are 16 or 32."""


@dataclass(frozen=True)
class TimmForm:
    """``timm.create_model(architecture, num_classes=classes, **options)`` builds the network."""

    architecture: str
    options: dict[str, Any]
    first: str
    """timm's name of its first layer."""
    last: str
    """timm's name of its classifier."""


def timm_form(model: Network, image_shape: tuple[int, ...]) -> TimmForm | str:
    """Return timm's form of a network for images (height, width, channels); where timm has none, why, in words.

    Options that count in the training alone, such as dropout, are left out: they change no weight and no logit.

    >>> timm_form(ConvNeXt(patch=2), (32, 32, 3))
    'its ConvNeXt with patches of 2 halves the image once more'
    >>> timm_form(ResNet("resnet18"), (32, 32, 3)).options
    {'in_chans': 3}
    """
    height, width, channels = image_shape
    size = {"img_size": height if height == width else (height, width), "in_chans": channels}
    match model:
        case ViT(pre_logits=False):
            return TimmForm("vit_tiny_patch16_224", size | _of_vit(model), "patch_embed.proj", "head")
        case MLPMixer(gelu="exact", patch=16 | 32) if (model.width, model.depth) in MIXERS:
            name = f"mixer_{MIXERS[model.width, model.depth]}{model.patch}_224"
            return TimmForm(name, size, "stem.proj", "head")
        case ConvNeXt(patch=1 | 4, blocks=blocks) if len(blocks) == STAGES:
            options = {
                "in_chans": channels,
                "depths": blocks,
                "dims": tuple(model.width * 2**stage for stage in range(STAGES)),
                "patch_size": model.patch,
            }
            return TimmForm("convnext_tiny", options, "stem.0", "head.fc")
        case ResNet(width=width) if width == WIDTH:
            return TimmForm(model.name, {"in_chans": channels}, "conv1", "fc")
        case ViT():
            return "its ViT has no layer of tanh units before the last one"
        case MLPMixer():
            return "its MLP-Mixers have the published sizes and the exact GELU"
        case ConvNeXt(blocks=blocks) if len(blocks) == STAGES:
            return "its ConvNeXt with patches of 2 halves the image once more"
        case ConvNeXt():
            return f"its ConvNeXt has {STAGES} stages"
        case ResNet():
            return f"its ResNet has {WIDTH} channels in the first stage, and this one has {model.width}"
    return f"it has no {model.name} of this form"


def _of_vit(model: ViT) -> dict[str, Any]:
    options: dict[str, Any] = {
        "patch_size": model.patch,
        "embed_dim": model.width,
        "depth": model.depth,
        "num_heads": attention_heads(model.width, model.heads),
    }
    if model.pool == "gap":
        options |= {"class_token": False, "global_pool": "avg", "fc_norm": False}
    elif model.positions != "learned":
        options["no_embed_class"] = True
    if model.layer_scale:
        options["init_values"] = model.layer_scale
    if model.gelu == "tanh":
        options["act_layer"] = "gelu_tanh"
    return options
