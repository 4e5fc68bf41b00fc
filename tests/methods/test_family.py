"""Laws of the whole mixing family: every method on images of odd size, one lambda an example, partners in blocks."""

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from mixup_jax import draw, mix, mixup
from mixup_jax import methods as m

SIZE, BLOCK, LANES = 8, 4, 4
OPTIONS = {"per": "example", "block": BLOCK}
X = np.random.default_rng(0).normal(size=(SIZE, 7, 5, 3)).astype(np.float32)
Y = np.random.default_rng(1).dirichlet(np.ones(3), SIZE).astype(np.float32)


@pytest.fixture(scope="module", autouse=True)
def quick_lambdas():
    """Draw lambda from a logistic distribution in place of Beta, whose compilation is most of a method's.

    It is symmetric and, as Beta, uniform at alpha = 1 and often 0 or 1 at a small alpha. (Beta: tests/test_mixing.py.)
    """

    def sample(rng, a, b, shape, dtype):
        return jax.nn.sigmoid(jax.scipy.special.logit(jax.random.uniform(rng, shape, dtype)) / a)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jax.random, "beta", sample)
        yield


class Method(NamedTuple):
    """A method, the plans that it draws (one, or several in a row), and what carries them out."""

    apply: Any  # (rng, x, y, alpha) -> (x, y)
    draw: Any = None  # (rng, x, alpha) -> plans
    carry_out: Any = mix


def draw_choice(rng, x, alpha):
    keys = jax.random.split(rng, 3)
    plans = [draw(keys[0], SIZE, alpha, **OPTIONS), m.draw_cutmix(keys[1], x.shape[:3], alpha, **OPTIONS)]
    return m.choose(keys[2], plans, [0.4, 0.4], per="example")


def draw_many(rng, x, alpha):
    return m.draw_dirichlet(rng, len(x), alpha, examples=3, per="example")


def clean_and_mixed(rng, x, y, alpha):
    return m.regmixup(rng, x, y, alpha, **OPTIONS)[:2]


METHODS = {
    "mixup": Method(partial(mixup, **OPTIONS), lambda rng, x, alpha: draw(rng, len(x), alpha, **OPTIONS)),
    "choose": Method(lambda rng, x, y, alpha: mix(draw_choice(rng, x, alpha), (x, y)), draw_choice),
    "dirichlet": Method(lambda rng, x, y, alpha: m.mix_all(draw_many(rng, x, alpha), (x, y)), draw_many, m.mix_all),
    "regmixup": Method(clean_and_mixed),
    "noisy_feature_mixup": Method(partial(m.noisy_feature_mixup, **OPTIONS)),
    "saliencymix": Method(
        partial(m.saliencymix, **OPTIONS),
        lambda rng, x, alpha: m.draw_saliencymix(rng, m.static_saliency(x), alpha, **OPTIONS),
    ),
}
for name, method, plan, options, carry in (
    ("cutmix", m.cutmix, m.draw_cutmix, {}, mix),
    ("fmix", m.fmix, m.draw_fmix, {}, mix),
    ("gridmix", m.gridmix, m.draw_gridmix, {}, mix),
    ("lattice", m.gridmix, m.draw_gridmix, {"period": 3}, mix),
    ("resizemix", m.resizemix, m.draw_resizemix, {}, m.paste_resized),
):
    draws = partial(plan, **OPTIONS, **options)
    METHODS[name] = Method(
        partial(method, **OPTIONS, **options),
        lambda rng, x, alpha, draws=draws: draws(rng, x.shape[:3], alpha),
        carry,
    )
WITH_PLAN = [name for name, method in METHODS.items() if method.draw]
PASTING = ["cutmix", "fmix", "gridmix", "lattice", "resizemix", "saliencymix"]


@cache
def compiled(name):
    """Compile the plans of a method, or the method where it has none, for several keys and alphas side by side."""
    method = METHODS[name]

    def one(rng, alpha):
        return method.draw(rng, X, alpha) if method.draw else method.apply(rng, X, Y, alpha)

    return jax.jit(jax.vmap(one))


@cache
def carry_out(name):
    return jax.jit(jax.vmap(lambda plans: METHODS[name].carry_out(plans, (X, Y))))


def lanes(name, seed, alphas):
    """Return mixed images, mixed labels and plans, each with a first axis of LANES."""
    plans = compiled(name)(jax.random.split(jax.random.key(seed), LANES), np.array(alphas, np.float32))
    return (*carry_out(name)(plans), plans) if METHODS[name].draw else (*plans, None)


def partners(plans):
    """Return the partners of each plan in the chain: (plans, LANES, SIZE)."""
    return np.stack([np.asarray(plan.partner) for plan in (plans if isinstance(plans, list) else [plans])])


alpha = st.one_of(st.just(0.0), st.floats(2**-10, 32, width=32))
law = settings(deadline=None, derandomize=True, max_examples=15, database=None)
draws_of_lanes = given(seed=st.integers(0, 2**31), alphas=st.lists(alpha, min_size=LANES, max_size=LANES))


@pytest.mark.parametrize("name", WITH_PLAN)
@law
@draws_of_lanes
def test_a_pixel_is_between_those_of_its_parents(name, seed, alphas):
    x, _, plans = lanes(name, seed, alphas)
    parents = [np.broadcast_to(X, x.shape), *(X[each] for each in partners(plans))]
    if name == "resizemix":  # any pixel of the partner
        parents += [
            np.broadcast_to(limit(parents[1], axis=(2, 3), keepdims=True), x.shape) for limit in (np.min, np.max)
        ]
    assert (x >= np.min(parents, axis=0) - 1e-5).all()
    assert (x <= np.max(parents, axis=0) + 1e-5).all()


@pytest.mark.parametrize("name", METHODS)
@law
@draws_of_lanes
def test_labels_keep_their_mass_and_stay_between_0_and_1(name, seed, alphas):
    _, y, _ = lanes(name, seed, alphas)
    np.testing.assert_allclose(np.sum(y, axis=-1), 1, atol=1e-5)
    assert (np.asarray(y) >= 0).all()


@pytest.mark.parametrize("name", WITH_PLAN)
@law
@draws_of_lanes
def test_labels_are_mixed_by_the_share_of_the_pixels(name, seed, alphas):
    _, y, plans = lanes(name, seed, alphas)
    expected = np.broadcast_to(Y, y.shape)
    for plan in plans if isinstance(plans, list) else [plans]:
        lam = np.asarray(plan.lam)[..., None]
        expected = lam * expected + (1 - lam) * Y[np.asarray(plan.partner)]
        if plan.mask is not None:
            np.testing.assert_allclose(plan.lam, np.mean(plan.mask, axis=(2, 3), dtype=np.float32), atol=1e-6)
    np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in WITH_PLAN if name != "dirichlet"])
@law
@draws_of_lanes
def test_partners_stay_in_their_block_and_everybody_is_one(name, seed, alphas):
    _, _, plans = lanes(name, seed, alphas)
    partner = partners(plans)[0]
    np.testing.assert_array_equal(partner // BLOCK, np.broadcast_to(np.arange(SIZE) // BLOCK, partner.shape))
    if name != "choose":  # there an example may be left alone, whatever its partner does
        np.testing.assert_array_equal(np.sort(partner, axis=1), np.broadcast_to(np.arange(SIZE), partner.shape))


@pytest.mark.parametrize("name", [name for name in METHODS if name != "noisy_feature_mixup"])
def test_alpha_zero_is_erm(name):
    x, y, _ = lanes(name, 0, [0.0] * LANES)
    for mixed, leaf in ((x, X), (y, Y)):
        clean = np.concatenate([leaf, leaf]) if name == "regmixup" else leaf
        np.testing.assert_array_equal(mixed, np.broadcast_to(clean, mixed.shape))


@pytest.mark.parametrize("name", METHODS)
def test_the_plan_replays_the_method_bit_for_bit_and_jit_of_vmap_is_a_loop(name):
    method, alphas = METHODS[name], [1.0, 0.2] * (LANES // 2)
    x, y, _ = lanes(name, 1, alphas)
    keys = jax.random.split(jax.random.key(1), LANES)
    for i in range(LANES):
        alone = method.apply(keys[i], X, Y, alphas[i])
        for a, b in zip(alone, (x[i], y[i]), strict=True):
            np.testing.assert_allclose(a, b, atol=2e-6)
        if method.draw:
            for a, b in zip(alone, method.carry_out(method.draw(keys[i], X, alphas[i]), (X, Y)), strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16, jnp.uint8])
def test_every_leaf_keeps_its_dtype(name, dtype):
    x, y = jax.ShapeDtypeStruct(X.shape, dtype), jax.ShapeDtypeStruct(Y.shape, jnp.bfloat16)
    apply = partial(jax.eval_shape, METHODS[name].apply, jax.eval_shape(jax.random.key, 0), x, y)
    if dtype == jnp.uint8 and name not in PASTING:
        with pytest.raises(TypeError, match=r"uint8\[8,7,5,3\].*convert images"):
            apply(1.0)
    else:
        x_mixed, y_mixed = apply(1.0)
        assert (x_mixed.dtype, y_mixed.dtype) == (dtype, jnp.bfloat16)
        assert (x_mixed.shape[1:], y_mixed.shape[1:]) == (x.shape[1:], y.shape[1:])


@pytest.mark.parametrize("name", WITH_PLAN)
def test_a_plan_is_carried_out_on_eight_devices_as_on_one(name):
    _, _, plans = lanes(name, 2, [1.0] * LANES)
    plans = jax.tree.map(lambda leaf: leaf[0], plans)
    batch = jax.device_put(
        (X, Y), NamedSharding(jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,)), P("data"))
    )
    carry = jax.jit(METHODS[name].carry_out)
    for sharded, alone in zip(carry(plans, batch), carry(plans, (X, Y)), strict=True):
        np.testing.assert_array_equal(sharded, alone)


def test_regmixup_is_the_clean_batch_and_then_mixup():
    (x, y, _), (x_mixed, y_mixed, _) = (lanes(name, 3, [1.0] * LANES) for name in ("regmixup", "mixup"))
    for both, leaf, mixed in ((x, X, x_mixed), (y, Y, y_mixed)):
        np.testing.assert_array_equal(both[:, :SIZE], np.broadcast_to(leaf, mixed.shape))
        np.testing.assert_allclose(both[:, SIZE:], mixed, atol=1e-6)
