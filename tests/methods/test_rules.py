"""Laws of mixing by rule, and of padding that is left alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax import Mix, draw, mix, mixed_cross_entropy
from mixup_jax.methods import draw_cutmix, leave_padding, mix_by_rule, union


@jax.jit
def any_plan(rng):
    """A plan with a lambda for each of 6 examples."""
    return draw(rng, 6, 1.0, per="example")


@jax.jit
def pasting_plan(rng):
    """A plan that pastes boxes."""
    return draw_cutmix(rng, (6, 4, 4), 1.0, partner="roll")


@pytest.fixture(scope="module")
def batch():
    """A wafer, a sound, a text, a name and labels for each of 6 examples."""
    keys = jax.random.split(jax.random.key(1), 5)
    return {
        "wafer": {
            "fail": jax.random.uniform(keys[0], (6, 4, 4)),
            "exists": jax.random.bernoulli(keys[1], 0.5, (6, 4, 4)),
        },
        "audio": (jax.random.normal(keys[2], (6, 7)), None),
        "text": jax.random.randint(keys[3], (6, 3), 0, 99),
        "name": jnp.arange(6),
        "label": jax.nn.one_hot(jax.random.randint(keys[4], (6,), 0, 3), 3),
    }


RULES = {
    "wafer": {"fail": "mix", "exists": "union"},
    "audio": "mix",  # a prefix: for all that is below
    "text": "partner",
    "name": "keep",
    "label": "mix",
}


@jax.jit
def mixed_by(plan, batch, other=None):
    """The batch, mixed by the rules above."""
    return mix_by_rule(plan, batch, RULES, other)


@pytest.mark.thorough
def test_every_leaf_follows_its_rule(rng, batch):
    plan = any_plan(rng)
    mixed = mixed_by(plan, batch)
    partner = np.asarray(plan.partner)
    blended = jax.jit(mix)(plan, (batch["wafer"]["fail"], batch["audio"], batch["label"]))
    np.testing.assert_array_equal(mixed["wafer"]["fail"], blended[0])
    np.testing.assert_array_equal(mixed["wafer"]["exists"], union(plan, batch["wafer"]["exists"]))
    np.testing.assert_array_equal(mixed["audio"][0], blended[1][0])
    assert mixed["audio"][1] is None
    np.testing.assert_array_equal(mixed["text"][0], batch["text"])
    np.testing.assert_array_equal(mixed["text"][1], np.asarray(batch["text"])[partner])
    np.testing.assert_array_equal(mixed["name"], batch["name"])
    np.testing.assert_array_equal(mixed["label"], blended[2])


@pytest.mark.parametrize("rule", ["mix", "keep"])
def test_one_rule_for_a_whole_tree(rng, batch, rule):
    plan = any_plan(rng)
    tree = {"audio": batch["audio"], "label": batch["label"]}
    expected = mix(plan, tree) if rule == "mix" else tree
    jax.tree.map(np.testing.assert_array_equal, mix_by_rule(plan, tree, rule), expected)


def test_a_tree_may_be_one_array(rng):
    plan = any_plan(rng)
    x = jax.random.normal(rng, (6, 2))
    np.testing.assert_array_equal(mix_by_rule(plan, x, "mix"), mix(plan, x))
    np.testing.assert_array_equal(mix_by_rule(plan, jnp.arange(6), "keep"), jnp.arange(6))
    np.testing.assert_array_equal(mix_by_rule(plan, jnp.arange(6), "partner")[1], plan.partner)


def test_partners_may_be_in_another_tree(rng, batch):
    plan = Mix(any_plan(rng).lam, jnp.arange(6))
    other = jax.tree.map(lambda leaf: np.asarray(leaf)[::-1], batch)
    reverse = Mix(plan.lam, jnp.arange(6)[::-1])
    jax.tree.map(np.testing.assert_array_equal, mixed_by(plan, batch, other), mixed_by(reverse, batch))


@pytest.mark.thorough
def test_jit_is_eager_and_a_vmap_is_a_loop(rng, batch):
    keys = jax.random.split(rng, 3)
    eager = [mix_by_rule(any_plan(key), batch, RULES) for key in keys]
    together = jax.jit(jax.vmap(lambda key: mix_by_rule(any_plan(key), batch, RULES)))(keys)
    for i, key in enumerate(keys):
        one = jax.tree.map(lambda leaf, i=i: np.asarray(leaf)[i], together)
        for mixed in (one, mixed_by(any_plan(key), batch)):
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), mixed, eager[i])


PLAN = Mix(jnp.array([0.5, 0.5]), jnp.array([1, 0]))
BAD_CALLS = [
    (lambda: mix_by_rule(PLAN, {"a": {"b": jnp.ones(2)}}, {"a": "refuse"}), TypeError, r"leaf\['a'\]\['b'\] is float"),
    (lambda: mix_by_rule(PLAN, {"a": jnp.ones(2)}, {"a": "blend"}), ValueError, r"leaf\['a'\] .* refuse, got 'blend'"),
    (lambda: mix_by_rule(PLAN, {"a": jnp.ones(2)}, {"b": "mix"}), ValueError, "rules must have the structure"),
    (lambda: mix_by_rule(PLAN, {"a": jnp.ones(2, int)}, {"a": "mix"}), TypeError, r"leaf\['a'\] is int32\[2\]"),
    (lambda: mix_by_rule(PLAN, {"a": jnp.ones(2, int)}, {"a": "union"}), TypeError, r"leaf\['a'\] holds class ids"),
    (lambda: mix_by_rule(PLAN, {"a": jnp.ones(3)}, {"a": "partner"}), ValueError, r"leaf\['a'\] .* batch of 2"),
    (lambda: leave_padding(PLAN, jnp.ones(3)), ValueError, r"valid must be \(2,\), got shape \(3,\)"),
    (lambda: leave_padding(PLAN, jnp.ones(2), jnp.ones((2, 2))), ValueError, r"other_valid must be \(n,\)"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_CALLS)
def test_errors_name_the_leaf_at_trace_time(call, error, message):
    for function in (call, jax.jit(call)):
        with pytest.raises(error, match=message):
            function()


VALID = np.array([1, 1, 0, 1, 0, 1], bool)


@pytest.mark.thorough
@pytest.mark.parametrize("block", [None, 2, 3])
def test_padding_mixes_with_nothing_and_nothing_with_padding(rng, block):
    plan_of = jax.jit(lambda key: draw(key, 6, 1.0, per="example", block=block))
    for key in jax.random.split(rng, 5):
        plan = plan_of(key)
        left = jax.jit(leave_padding)(plan, VALID)
        both = VALID & VALID[np.asarray(plan.partner)]
        np.testing.assert_array_equal(left.lam, np.where(both, plan.lam, 1))
        np.testing.assert_array_equal(left.partner, np.where(both, plan.partner, np.arange(6)))
        x = np.where(VALID[:, None], np.ones((6, 3), np.float32), np.nan)  # even NaN stays where it is
        np.testing.assert_array_equal(np.isnan(jax.jit(mix)(left, x)).any(axis=1), ~VALID)


@pytest.mark.thorough
def test_without_padding_the_plan_stays_as_it_is(rng):
    plan = pasting_plan(rng)
    for left, as_it_was in zip(jax.tree.leaves(leave_padding(plan, jnp.ones(6))), jax.tree.leaves(plan), strict=True):
        np.testing.assert_array_equal(left, as_it_was)


@pytest.mark.parametrize("pasted", [True, False])
def test_a_mask_is_taken_off_with_lambda(rng, pasted):
    plan = pasting_plan(rng)
    mask = plan.mask if pasted else plan.mask.astype(jnp.float32) * 0.5
    left = leave_padding(Mix(mask.mean(axis=(1, 2)), plan.partner, None, mask), VALID)
    assert left.mask.dtype == mask.dtype
    np.testing.assert_allclose(left.lam, left.mask.mean(axis=(1, 2)), rtol=1e-6)
    x = jax.random.normal(rng, (6, 4, 4, 3))
    unmixed = ~(VALID & np.roll(VALID, 1))
    np.testing.assert_array_equal(np.asarray(jax.jit(mix)(left, x))[unmixed], np.asarray(x)[unmixed])


def test_partners_of_another_batch_may_be_padding_too(rng):
    plan = Mix(any_plan(rng).lam, jnp.array([0, 1, 2, 0, 1, 2]))
    left = leave_padding(plan, VALID, other_valid=jnp.array([1.0, 0.0, 2.0]))
    np.testing.assert_array_equal(left.lam != 1, [True, False, False, True, False, True])


@pytest.mark.thorough
@pytest.mark.parametrize("plan_of", [any_plan, pasting_plan])
def test_padding_has_exactly_no_part_in_a_weighted_loss(rng, plan_of):
    weights = jax.random.normal(rng, (48, 3))
    weight = VALID * np.array([1, 0.5, 1, 2, 1, 1], np.float32)
    y = np.eye(3, dtype=np.float32)[np.arange(6) % 3]

    @jax.jit
    def loss(x, y):
        plan = leave_padding(plan_of(rng), weight)
        x, y, mixed_weight = mix(plan, (x, y, weight))
        logits = x.reshape(6, 48) @ weights
        return jnp.sum(mixed_weight * -jnp.sum(y * jax.nn.log_softmax(logits), axis=1)) / jnp.sum(mixed_weight)

    x = jax.random.normal(rng, (6, 4, 4, 3))
    value, gradients = loss(x, y), jax.jit(jax.grad(loss, argnums=(0, 1)))(x, y)
    for gradient in gradients:
        assert not np.asarray(gradient)[~VALID].any()
        assert np.asarray(gradient)[VALID].any()
    rubbish = np.where(VALID[:, None, None, None], x, np.float32(1e6)), np.where(VALID[:, None], y, np.float32(7))
    assert float(loss(*rubbish)) == float(value)


def test_the_two_label_loss_leaves_padding_alone_too(rng):
    labels, logits = np.array([0, 1, 2, 0, 1, 2]), jax.random.normal(rng, (6, 3))
    plan = leave_padding(any_plan(rng), VALID)
    loss = jax.jit(mixed_cross_entropy)
    losses = [np.asarray(loss(logits, each, plan)) for each in (labels, np.where(VALID, labels, 0))]
    np.testing.assert_array_equal(losses[0][VALID], losses[1][VALID])
