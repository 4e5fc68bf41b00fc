"""Laws of the whole mixing family: every method on images of odd size, one lambda an example, partners in blocks.

The table is in family.py. What holds of one method alone is in the file of its name; hidden states: test_latent.py.
"""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from family import BLOCK, IN_BLOCKS, METHODS, PASTING, WITH_PLAN
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

SIZE, LANES = 8, 4
X = np.random.default_rng(0).normal(size=(SIZE, 7, 5, 3)).astype(np.float32)
Y = np.random.default_rng(1).dirichlet(np.ones(3), SIZE).astype(np.float32)


pytestmark = pytest.mark.usefixtures("quick_lambdas")


def apply_and_draw(name, rng, alpha):
    """Apply a method; return mixed images, mixed labels, and the plans of the same key."""
    method = METHODS[name]
    plans = method.draw(rng, X, alpha) if method.draw else None
    return (*method.apply(rng, X, Y, alpha), plans)


@cache
def compiled(name):
    """Compile a method for several keys and alphas side by side."""
    return jax.jit(jax.vmap(partial(apply_and_draw, name)))


@cache
def compiled_replay(carry_out):
    return jax.jit(jax.vmap(lambda plans: carry_out(plans, (X, Y))))


def runs(name, seed, alphas):
    """Return mixed images, mixed labels and plans, each with a first axis of LANES."""
    return compiled(name)(jax.random.split(jax.random.key(seed), LANES), np.array(alphas, np.float32))


def chain(plans):
    """Return the plans that are carried out in a row."""
    return plans if isinstance(plans, list) else [plans]


def met(name, plans, leaf):
    """Return the partners' part of a leaf, for each plan in the chain: (LANES, SIZE, ...)."""
    return [np.asarray(METHODS[name].partners(leaf))[np.asarray(plan.partner)] for plan in chain(plans)]


alpha = st.one_of(st.just(0.0), st.floats(2**-10, 32, width=32))
law = settings(deadline=None, derandomize=True, max_examples=15, database=None)
draws_of_lanes = given(seed=st.integers(0, 2**31), alphas=st.lists(alpha, min_size=LANES, max_size=LANES))


@pytest.mark.thorough
@pytest.mark.parametrize("name", WITH_PLAN)
@law
@draws_of_lanes
def test_a_pixel_is_between_those_of_its_parents(name, seed, alphas):
    x, _, plans = runs(name, seed, alphas)
    parents = [np.broadcast_to(X, x.shape), *met(name, plans, X)]
    if name == "resizemix":  # any pixel of the partner
        parents += [
            np.broadcast_to(limit(parents[1], axis=(2, 3), keepdims=True), x.shape) for limit in (np.min, np.max)
        ]
    assert (x >= np.min(parents, axis=0) - 1e-5).all()
    assert (x <= np.max(parents, axis=0) + 1e-5).all()


@pytest.mark.thorough
@pytest.mark.parametrize("name", METHODS)
@law
@draws_of_lanes
def test_labels_keep_their_mass_and_stay_between_0_and_1(name, seed, alphas):
    _, y, _ = runs(name, seed, alphas)
    np.testing.assert_allclose(np.sum(y, axis=-1), 1, atol=1e-5)
    assert (np.asarray(y) >= 0).all()


@pytest.mark.parametrize("name", WITH_PLAN)
@law
@draws_of_lanes
def test_labels_are_mixed_by_the_share_of_the_pixels(name, seed, alphas):
    _, y, plans = runs(name, seed, alphas)
    expected = np.broadcast_to(Y, y.shape)
    for plan, partner in zip(chain(plans), met(name, plans, Y), strict=True):
        lam = np.asarray(plan.lam)[..., None]
        expected = lam * expected + (1 - lam) * partner
        if plan.mask is not None:
            np.testing.assert_allclose(plan.lam, np.mean(plan.mask, axis=(2, 3), dtype=np.float32), atol=1e-6)
    np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize("name", IN_BLOCKS)
@law
@draws_of_lanes
def test_partners_stay_in_their_block_and_everybody_is_one(name, seed, alphas):
    _, _, plans = runs(name, seed, alphas)
    for partner in [np.asarray(plan.partner) for plan in chain(plans)]:
        np.testing.assert_array_equal(partner // BLOCK, np.broadcast_to(np.arange(SIZE) // BLOCK, partner.shape))
        if name != "choose":  # there an example may be left alone, whatever its partner does
            np.testing.assert_array_equal(np.sort(partner, axis=1), np.broadcast_to(np.arange(SIZE), partner.shape))


@pytest.mark.thorough
@pytest.mark.parametrize("name", WITH_PLAN)
@law
@draws_of_lanes
def test_the_plan_of_the_same_key_replays_the_method_bit_for_bit(name, seed, alphas):
    *mixed, plans = runs(name, seed, alphas)
    replayed = compiled_replay(METHODS[name].carry_out)(plans)
    for leaf, again in zip(mixed, replayed, strict=True):
        np.testing.assert_array_equal(leaf, again)


@pytest.mark.parametrize("name", [name for name in METHODS if name != "noisy_feature_mixup"])
def test_alpha_zero_is_erm(name):
    x, y, _ = runs(name, 0, [0.0] * LANES)
    for mixed, leaf in ((x, X), (y, Y)):
        clean = np.concatenate([leaf, leaf]) if name == "regmixup" else leaf
        np.testing.assert_array_equal(mixed, np.broadcast_to(clean, mixed.shape))


@pytest.mark.exhaustive  # of the methods of a step, together and so in one program: tests/steps/test_methods.py
@pytest.mark.parametrize("name", METHODS)
def test_a_lane_of_a_vmap_is_what_it_is_alone(name):
    method, alphas = METHODS[name], np.float32([1.0, 0.2] * (LANES // 2))
    *mixed, plans = runs(name, 1, alphas)
    alone = jax.jit(lambda rng, alpha: method.draw(rng, X, alpha) if method.draw else method.apply(rng, X, Y, alpha))
    for i, rng in enumerate(jax.random.split(jax.random.key(1), LANES)):
        for a, b in zip(jax.tree.leaves(alone(rng, alphas[i])), jax.tree.leaves(plans or mixed), strict=True):
            np.testing.assert_allclose(a, b[i], atol=2e-6)


shapes = st.tuples(  # sides of more than 4 pixels: what is smaller may be channels, and is refused
    st.sampled_from([BLOCK, 3 * BLOCK]),
    st.integers(5, 9),
    st.integers(5, 9),
    st.sampled_from([(), (1,), (3,), (5,)]),
)


@pytest.mark.thorough
@pytest.mark.parametrize("name", METHODS)
@settings(law, max_examples=8)
@given(
    shape=shapes,
    dtype=st.sampled_from([jnp.float32, jnp.bfloat16, jnp.float16, jnp.uint8]),
    label_dtype=st.sampled_from([jnp.float32, jnp.bfloat16, jnp.float16]),
)
def test_every_leaf_keeps_its_dtype(name, shape, dtype, label_dtype):
    *size, channels = shape
    x, y = jax.ShapeDtypeStruct((*size, *channels), dtype), jax.ShapeDtypeStruct((size[0], 3), label_dtype)
    apply = partial(jax.eval_shape, METHODS[name].apply, jax.eval_shape(jax.random.key, 0), x, y)
    if dtype == jnp.uint8 and name not in PASTING:
        with pytest.raises(TypeError, match=r"uint8\[.*convert images"):
            apply(1.0)
    else:
        x_mixed, y_mixed = apply(1.0)
        assert (x_mixed.dtype, y_mixed.dtype) == (dtype, label_dtype)
        assert (x_mixed.shape[1:], y_mixed.shape[1:]) == (x.shape[1:], y.shape[1:])


@pytest.mark.thorough
@pytest.mark.parametrize("name", WITH_PLAN)
def test_a_plan_is_carried_out_on_eight_devices_as_on_one_and_as_in_a_vmap(name):
    *mixed, plans = runs(name, 2, [1.0] * LANES)
    plan = jax.tree.map(lambda leaf: leaf[0], plans)
    batch = jax.device_put(
        (X, Y), NamedSharding(jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,)), P("data"))
    )
    carry = jax.jit(METHODS[name].carry_out)
    for sharded, alone, in_vmap in zip(carry(plan, batch), carry(plan, (X, Y)), mixed, strict=True):
        np.testing.assert_array_equal(sharded, alone)
        np.testing.assert_allclose(alone, in_vmap[0], atol=2e-6)


def test_regmixup_is_the_clean_batch_and_then_mixup():
    (x, y, _), (x_mixed, y_mixed, _) = (runs(name, 3, [1.0] * LANES) for name in ("regmixup", "mixup"))
    for both, leaf, mixed in ((x, X, x_mixed), (y, Y, y_mixed)):
        np.testing.assert_array_equal(both[:, :SIZE], np.broadcast_to(leaf, mixed.shape))
        np.testing.assert_allclose(both[:, SIZE:], mixed, atol=1e-6)
