"""Laws of AdamW and LAMB: the published steps, torch's and timm's, what decays, and clipping."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mixup_jax.choices import Adam, AdamW, Lamb, Sgd
from mixup_jax.config import CHOICES
from mixup_jax.models import MODELS, build
from mixup_jax.steps.optim import direction, kernels

STEPS, LR = 10, 0.05
EMBEDDINGS = ("positions", "token")
SHORT = {"depth": 1, "blocks": (1, 1)}


@pytest.fixture
def params(rng):
    """Parameters that decay and parameters that do not, one of them 0, as a head's is at first."""
    first, second = jax.random.split(rng)
    return {
        "stem": {"kernel": jax.random.normal(first, (4, 3)), "bias": jnp.linspace(-1, 1, 3)},
        "norm": {"scale": jnp.ones(3), "bias": jnp.full(3, 0.5)},
        "head": {"kernel": jax.random.normal(second, (3, 2)), "bias": jnp.zeros(2)},
    }


@pytest.fixture
def gradients(rng, params):
    """A gradient for each step: some are shorter than 1, some longer."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.fold_in(rng, 1), (STEPS, len(leaves)))
    scale = [0.02, 3.0]
    return [
        tree.unflatten([scale[i % 2] * jax.random.normal(k, leaf.shape) for k, leaf in zip(row, leaves, strict=True)])
        for i, row in enumerate(keys)
    ]


def descend(config, params, gradients):
    """Take a step of `LR` for each gradient."""
    optimizer = direction(config)
    state = optimizer.init(params)
    for gradient in gradients:
        update, state = jax.jit(optimizer.update)(gradient, state, params)
        params = jax.tree.map(lambda p, u: p - LR * u, params, update)
    return params


def torch_descend(make, config, params, gradients, clip=None):
    """Take the same steps with an optimiser of torch: ``make(groups)``, decaying by the rule of `config`."""
    torch = pytest.importorskip("torch")
    leaves, tree = jax.tree.flatten(params)
    masks = jax.tree.leaves(kernels(params) if config.decay == "kernels" else jax.tree.map(lambda _: True, params))
    weights = [torch.nn.Parameter(torch.tensor(np.asarray(leaf))) for leaf in leaves]
    groups = [
        {"params": [each for each, mask in zip(weights, masks, strict=True) if mask is wanted], "weight_decay": decay}
        for wanted, decay in ((True, config.weight_decay), (False, 0.0))
    ]
    optimizer = make([group for group in groups if group["params"]])
    for gradient in gradients:
        for weight, leaf in zip(weights, jax.tree.leaves(gradient), strict=True):
            weight.grad = torch.tensor(np.asarray(leaf))
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(weights, clip)
        optimizer.step()
    return tree.unflatten([weight.detach().numpy() for weight in weights])


def assert_close(ours, theirs):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6), ours, theirs)


@pytest.mark.parametrize(
    "config",
    [
        AdamW(weight_decay=0.3),
        AdamW(weight_decay=0.3, decay="all", clip=1.0),
        AdamW(weight_decay=0.0, beta1=0.8, beta2=0.95, eps=1e-3, clip=0.1),
    ],
)
def test_ten_steps_are_torchs_adamw(params, gradients, config):
    torch = pytest.importorskip("torch")

    def make(groups):
        return torch.optim.AdamW(groups, lr=LR, betas=(config.beta1, config.beta2), eps=config.eps)

    assert_close(descend(config, params, gradients), torch_descend(make, config, params, gradients, config.clip))


@pytest.mark.parametrize(
    "config", [Lamb(weight_decay=0.3), Lamb(weight_decay=0.02, decay="all"), Lamb(clip=None, beta1=0.8, eps=1e-3)]
)
def test_ten_steps_are_timms_lamb(params, gradients, config):
    timm = pytest.importorskip("timm.optim")

    def make(groups):
        options = {"betas": (config.beta1, config.beta2), "eps": config.eps, "max_grad_norm": config.clip}
        return timm.Lamb(groups, lr=LR, **options)

    assert_close(descend(config, params, gradients), torch_descend(make, config, params, gradients))


@pytest.mark.thorough
def test_a_decay_of_big_vision_is_ours_divided_by_the_highest_rate(params, gradients):
    """Its chain: clip, Adam, times the highest rate, plus decay, times the rest of the schedule."""
    chain = optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.scale_by_adam(),
        optax.scale(LR),
        optax.add_decayed_weights(0.01, kernels),
        optax.scale(-1.0),
    )
    theirs, state = params, chain.init(params)
    for gradient in gradients:
        update, state = chain.update(gradient, state, theirs)
        theirs = optax.apply_updates(theirs, update)
    assert_close(descend(AdamW(weight_decay=0.01 / LR, clip=1.0), params, gradients), theirs)


def test_the_first_step_of_lamb_is_a_sign_as_long_as_the_parameter(params, gradients):
    config = Lamb(weight_decay=1e-12, eps=1e-12)
    new = descend(config, params, gradients[:1])
    for module in ("stem", "head"):
        before, sign = params[module]["kernel"], np.sign(gradients[0][module]["kernel"])
        length = np.linalg.norm(before) / np.sqrt(sign.size)
        np.testing.assert_allclose(new[module]["kernel"], before - LR * length * sign, rtol=1e-5, atol=1e-6)
        bias, sign = params[module]["bias"], np.sign(gradients[0][module]["bias"])
        np.testing.assert_allclose(new[module]["bias"], bias - LR * sign, rtol=1e-5, atol=1e-6)


def test_a_parameter_of_0_takes_adams_step_under_lamb(params, gradients):
    blank = jax.tree.map(jnp.zeros_like, params)
    adam = AdamW(weight_decay=1e-12, eps=1e-6, clip=1.0)
    assert_close(descend(Lamb(weight_decay=1e-12), blank, gradients[:1]), descend(adam, blank, gradients[:1]))


@pytest.mark.thorough
@pytest.mark.parametrize("config", [Sgd(), Adam(), AdamW(), Lamb(clip=None)])
def test_clipping_is_the_step_of_a_gradient_shortened_before(params, gradients, config):
    def shortened(gradient):
        norm = np.sqrt(sum(np.square(leaf).sum() for leaf in jax.tree.leaves(gradient)))
        return jax.tree.map(lambda leaf: leaf * np.float32(min(1.0, 0.5 / norm)), gradient)

    norms = [float(optax.tree.norm(gradient)) for gradient in gradients]
    assert min(norms) < 0.5 < max(norms)
    by_hand = descend(config, params, [shortened(gradient) for gradient in gradients])
    assert_close(descend(replace(config, clip=0.5), params, gradients), by_hand)


def test_moments_in_16_bits_take_nearly_the_same_steps(params, gradients):
    config = AdamW(moment_dtype="bfloat16")
    state = direction(config).init(params)
    assert {leaf.dtype for leaf in jax.tree.leaves(state)} == {jnp.dtype(each) for each in ("int32", "bfloat16", "f4")}
    narrow, wide = (descend(each, params, gradients) for each in (config, AdamW()))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=0.1 * LR), narrow, wide)


@pytest.mark.thorough
@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("lenet", "wafer_net")])
def test_kernels_are_the_parameters_of_two_and_more_axes_but_for_embeddings(name):
    """So one rule is that of big_vision (by name), of timm and DeiT (by axes), and of ConvNeXt (by kind)."""
    image = jnp.zeros((1, 64, 64, 3))
    usual = CHOICES["model"][name]()
    short = {option: value for option, value in SHORT.items() if hasattr(usual, option)}  # more layers are more of them
    model = build(replace(usual, **short), 10)
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), image, train=False))["params"]
    expected = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf.ndim >= 2 and path[-1].key not in EMBEDDINGS, params
    )
    assert kernels(params) == expected
    assert set(jax.tree.leaves(expected)) == {True, False}
