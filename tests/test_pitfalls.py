"""What goes wrong elsewhere and does not here, as far as no other test says so: docs/pitfalls.md has them all."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from scipy import stats

from mixup_jax import Mix, draw, mix, mixed_cross_entropy, mixed_sigmoid_cross_entropy
from mixup_jax.methods import choose, draw_dirichlet, mix_all
from mixup_jax.methods.regions import box_at, paste
from mixup_jax.mixing import PARTNERS


@pytest.fixture
def plan():
    """Four examples, each with a lambda of its own that 16 bits cannot hold."""
    return Mix(jnp.array([0.7001, 0.3003, 0.9005, 0.5007]), jnp.array([1, 2, 3, 0]))


@pytest.fixture(scope="module")
def plans():
    """Three thousand plans for batches of three."""
    return jax.jit(jax.vmap(lambda key: draw(key, 3, 1.0)))(jax.random.split(jax.random.key(0), 3000))


def test_numpys_global_random_state_neither_matters_nor_changes(rng):
    first = draw(rng, 7, 1.0)
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    second = draw(rng, 7, 1.0)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    np.testing.assert_array_equal(first.lam, second.lam)
    np.testing.assert_array_equal(first.partner, second.partner)


def test_every_step_of_one_compiled_program_draws_anew(rng):
    step = jax.jit(lambda key, k: draw(jax.random.fold_in(key, k), 8, 1.0))
    plans = [step(rng, k) for k in range(5)]
    assert step._cache_size() == 1
    assert len({float(plan.lam[0]) for plan in plans}) == 5
    assert len({tuple(plan.partner.tolist()) for plan in plans}) > 2


@pytest.mark.thorough
def test_lambda_tells_nothing_about_the_partners(plans):
    quarter = np.digitize(plans.lam[:, 0], [0.25, 0.5, 0.75])
    counts = np.zeros((4, 3))
    np.add.at(counts, (quarter, np.asarray(plans.partner[:, 0])), 1)
    assert stats.chi2_contingency(counts).pvalue > 1e-4


@pytest.mark.parametrize("partner", ["roll", "flip"])
def test_one_example_a_device_meets_one_of_another_device(rng, partner):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    x = jax.device_put(jnp.arange(8.0), NamedSharding(mesh, P("data")))
    plan = Mix(jnp.full(8, 0.25), draw(rng, 8, 0.0, partner=partner).partner)
    mixed = jax.jit(mix)(plan, x)
    np.testing.assert_allclose(mixed, 0.25 * np.arange(8) + 0.75 * np.asarray(plan.partner), rtol=1e-6)
    assert not bool(jnp.any(mixed == x))


@pytest.mark.parametrize("partner", PARTNERS)
def test_odd_batches_are_mixed_as_even_ones_are(rng, partner):
    plan = draw(rng, 7, 1.0, partner=partner)
    np.testing.assert_array_equal(np.sort(plan.partner), np.arange(7))
    np.testing.assert_allclose(mix(plan, jnp.eye(7)).sum(axis=1), 1, rtol=1e-6)


def test_a_batch_of_one_stays_as_it_is(rng):
    x = jnp.array([[3.0, 4.0]])
    np.testing.assert_array_equal(mix(draw(rng, 1, 1.0), x), x)


def test_lambda_has_all_the_digits_of_float32(plans):
    assert len(np.unique(plans.lam[:, 0])) > 2_990  # in bfloat16 there are 789 values


@pytest.mark.thorough
def test_weights_of_many_at_a_tiny_alpha_are_neither_nan_nor_all_alike(rng):
    draw_weights = jax.jit(jax.vmap(lambda key, alpha: mix_all(draw_dirichlet(key, 3, alpha), jnp.eye(3)), (0, None)))
    keys = jax.random.split(rng, 500)
    weights = draw_weights(keys, 0.01)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    assert float(jnp.mean(weights.max(axis=-1) > 0.99)) > 0.9  # nearly always one of the three has it all
    np.testing.assert_array_equal(draw_weights(keys, 0.0), np.broadcast_to(np.eye(3), (500, 3, 3)))


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.bfloat16, jnp.float32])
def test_the_dtype_of_the_images_does_not_change_the_labels(plan, dtype):
    mask = np.ones((4, 6, 5), bool)
    mask[0, :2], mask[1, 1:5, 2:4], mask[2] = False, False, False
    plan = Mix(jnp.asarray(mask.mean(axis=(1, 2)), jnp.float32), plan.partner, mask=jnp.asarray(mask))
    image, label = jax.jit(mix)(plan, (np.ones((4, 6, 5, 3), dtype), np.eye(4, dtype=np.float32)))
    assert image.dtype == dtype
    np.testing.assert_allclose(np.diagonal(label), plan.lam, rtol=1e-6)
    np.testing.assert_allclose(label.sum(axis=1), 1, rtol=1e-6)


def test_images_in_16_bits_and_labels_in_32_have_one_lambda(plan):
    image, label = jax.jit(mix)(plan, (np.eye(4, dtype=jnp.bfloat16), np.eye(4, dtype=np.float32)))
    np.testing.assert_allclose(jnp.diagonal(label), plan.lam, rtol=1e-6)
    np.testing.assert_array_equal(image, label.astype(jnp.bfloat16))  # the same number, rounded once


@pytest.mark.parametrize("loss", [mixed_cross_entropy, mixed_sigmoid_cross_entropy])
def test_class_ids_that_16_bits_cannot_count_keep_their_loss(plan, loss):
    ids = jnp.array([2049, 4095, 2047, 3001])  # float16 would make 2048 of the first
    logits = jnp.zeros((4, 4096), jnp.float16).at[jnp.arange(4), ids].set(10.0)
    one_hot = np.eye(4096, dtype=np.float32)[ids]
    target = np.asarray(plan.lam)[:, None] * (one_hot - one_hot[plan.partner]) + one_hot[plan.partner]
    dense = optax.softmax_cross_entropy if loss is mixed_cross_entropy else optax.sigmoid_binary_cross_entropy
    expected = jax.jit(dense)(logits.astype(jnp.float32), target).reshape(4, -1).sum(axis=1)
    np.testing.assert_allclose(jax.jit(loss)(logits, ids, plan), expected, rtol=1e-5)


def test_several_labels_an_example_are_mixed_class_by_class(plan, rng):
    labels = jnp.array([[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 1], [1, 1, 1, 1]], jnp.float32)
    logits = jax.random.normal(rng, (4, 4))
    lam = np.asarray(plan.lam)[:, None]
    mixed = lam * np.asarray(labels) + (1 - lam) * np.asarray(labels)[[1, 2, 3, 0]]
    np.testing.assert_allclose(mix(plan, labels), mixed, rtol=1e-6)
    expected = optax.sigmoid_binary_cross_entropy(logits, mixed).sum(axis=1)
    np.testing.assert_allclose(mixed_sigmoid_cross_entropy(logits, labels, plan), expected, rtol=1e-5)


@pytest.mark.thorough
def test_a_discriminator_sees_real_mixed_with_generated_and_lambda_is_its_label(rng):
    rng_plan, rng_real, rng_generated = jax.random.split(rng, 3)
    plan = draw(rng_plan, 8, 0.2, per="example", partner=jnp.arange(8))
    real, generated = jax.random.normal(rng_real, (8, 2)), jax.random.normal(rng_generated, (8, 2))
    x, label = mix(plan, (real, jnp.ones(8)), other=(generated, jnp.zeros(8)))
    lam = np.asarray(plan.lam)[:, None]
    np.testing.assert_allclose(x, lam * real + (1 - lam) * generated, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(label, plan.lam, rtol=1e-6)
    assert (lam > 0.2).any()  # Beta(0.2, 0.2), not uniform from 0 to 0.2


@pytest.mark.parametrize("pasted", [True, False])
def test_lambda_is_the_share_that_an_example_keeps_of_itself(plan, pasted):
    @jax.jit
    def carry_out(plan, tree):
        plan = paste(plan, box_at((jnp.array([2]), jnp.array([1])), plan.lam, (6, 5))) if pasted else plan
        return plan.lam, mix(plan, tree)

    white = np.zeros((4, 6, 5), np.float32)
    white[0] = 1.0  # the first; its partner is black
    lam, (image, label) = carry_out(plan, (white, np.eye(4, dtype=np.float32)))
    np.testing.assert_allclose((image[0].mean(), label[0, 0]), lam[0], rtol=1e-6)
    assert pasted == (lam[0] != plan.lam[0])


@pytest.mark.parametrize("per", ["batch", "example"])
def test_a_probability_is_applied_once(rng, per):
    plans = [Mix(jnp.full(4, 0.5), jnp.array([1, 2, 3, 0]))]
    chosen = jax.jit(jax.vmap(lambda key: choose(key, plans, [0.5], per=per).lam))(jax.random.split(rng, 2000))
    assert stats.binomtest(int((chosen[:, 0] < 1).sum()), 2000, 0.5).pvalue > 1e-4
    together = bool(jnp.all(chosen == chosen[:, :1]))
    assert together == (per == "batch")


def test_the_shares_of_a_switch_are_the_ones_asked_for(rng):
    plans = [Mix(jnp.full(1, lam), jnp.zeros(1, jnp.int32)) for lam in (0.25, 0.75)]
    chosen = jax.jit(jax.vmap(lambda key: choose(key, plans, [0.2, 0.5]).lam[0]))(jax.random.split(rng, 2000))
    counts = [int((chosen == lam).sum()) for lam in (0.25, 0.75, 1.0)]
    assert stats.chisquare(counts, [400, 1000, 600]).pvalue > 1e-4
