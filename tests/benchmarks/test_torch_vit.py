"""Laws of the peers: what is timed against ours is the same network."""

import jax
import numpy as np
import pytest
from timm_networks import drawn
from timm_networks import ours as our_logits

from mixup_jax.choices.networks import ViT
from mixup_jax.steps.optim import kernels
from mixup_jax.weights.timm_names import to_timm

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
from benchmarks.peers import torch_training, torch_vit  # noqa: E402
from benchmarks.training_step import VIT  # noqa: E402


def test_the_vision_transformer_of_pytorch_computes_our_logits_with_our_weights():
    model = ViT(width=48, depth=2, heads=3, patch=4)
    _, image, params = drawn(model, 32, 10)
    theirs = torch_vit.ViT(10, 48, 2, 3, 4)
    theirs.load_state_dict({name: torch.tensor(leaf) for name, leaf in to_timm("vit", params).items()})
    with torch.no_grad():
        logits = theirs(torch.tensor(image).permute(0, 3, 1, 2)).numpy()
    expected = our_logits(model, 32, 10)
    np.testing.assert_allclose(logits / abs(expected).max(), expected / abs(expected).max(), rtol=0, atol=1e-4)


def test_the_same_parameters_decay_in_pytorch_as_in_ours():
    theirs = torch_vit.ViT(10, 48, 2, 3, 4)
    names = {id(each): name for name, each in theirs.named_parameters()}
    decayed = {names[id(each)] for each in torch_training.optimizer_of(VIT, theirs).param_groups[0]["params"]}
    _, _, params = drawn(ViT(width=48, depth=2, heads=3, patch=4), 32, 10)
    marked = {name: leaf for name, leaf in to_timm("vit", mark(params)).items() if leaf.all()}
    assert decayed == set(marked)


def mark(params):
    """Return a tree like `params` of ones for what decays, and of zeros."""
    return jax.tree.map(lambda leaf, decays: np.full(leaf.shape, float(decays)), params, kernels(params))
