"""Laws of the peers: what is timed against ours is the same network."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from timm_networks import drawn, theirs
from timm_networks import ours as our_logits
from weight_files import assert_close

from mixup_jax.choices.networks import ViT
from mixup_jax.steps.optim import kernels
from mixup_jax.weights.timm_names import to_timm

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("timm", reason="timm is not installed")
from benchmarks.harness.our_training import noise_for  # noqa: E402
from benchmarks.peers import torch_training  # noqa: E402
from benchmarks.training_step import VIT  # noqa: E402

MODEL = ViT(width=48, depth=2, heads=3, patch=4)


@pytest.fixture(scope="module")
def peer():
    config = replace(VIT, model=MODEL)
    return torch_training.network(config, noise_for(config))


def test_the_vision_transformer_of_pytorch_computes_our_logits_with_our_weights(peer):
    assert_close(theirs(peer, MODEL, 32, 10), our_logits(MODEL, 32, 10))


def test_the_same_parameters_decay_in_pytorch_as_in_ours(peer):
    names = {id(each): name for name, each in peer.named_parameters()}
    decayed = {names[id(each)] for each in torch_training.optimizer_of(VIT, peer).param_groups[0]["params"]}
    _, _, params = drawn(MODEL, 32, 10)
    ones = jax.tree.map(lambda leaf, decays: np.full(leaf.shape, float(decays)), params, kernels(params))
    assert decayed == {name for name, leaf in to_timm("vit", ones).items() if leaf.all()}
