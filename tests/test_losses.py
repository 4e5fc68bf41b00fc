"""Laws of the losses: what one-hot labels give, ids that are no class, labels to ignore, any other loss."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mixup_jax import Mix, mix, mixed_cross_entropy, mixed_loss, mixed_sigmoid_cross_entropy

LOGITS = np.float32([[1, 2, 3], [3, 2, 1], [0, 0, 5]])
PLAN = Mix(jnp.array([1, 0.5, 0.7]), jnp.array([1, 2, 0]))
LOSSES = {
    mixed_cross_entropy: lambda logits, target: -jnp.sum(target * jax.nn.log_softmax(logits), axis=1),
    mixed_sigmoid_cross_entropy: lambda logits, target: optax.sigmoid_binary_cross_entropy(logits, target).sum(axis=1),
}


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32])
@pytest.mark.parametrize("loss", LOSSES)
def test_an_id_that_is_no_class_is_what_its_one_hot_row_is(loss, dtype):
    for ids in ([-1, 1, 2], [3, 1, 2], [0, 100, 2], [0, 1, 2]):
        ids = np.array(ids).astype(dtype)
        expected = LOSSES[loss](LOGITS, mix(PLAN, jax.nn.one_hot(ids, 3)))
        np.testing.assert_allclose(jax.jit(loss)(LOGITS, ids, PLAN), expected, rtol=1e-5, atol=1e-6)


def test_an_id_of_minus_one_does_not_train_the_last_class():
    np.testing.assert_allclose(mixed_cross_entropy(LOGITS, jnp.array([-1, 1, 2]), PLAN), [0, 1.908, 0.0094], atol=5e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_where_leaves_labels_out_of_their_own_loss_and_of_their_partners(loss):
    ids, where = np.array([0, 1, 2]), np.array([False, True, True])
    each = np.stack([LOSSES[loss](LOGITS, jax.nn.one_hot(labels, 3)) for labels in (ids, ids[[1, 2, 0]])])
    lam = np.asarray(PLAN.lam)
    share = np.stack([lam * where, (1 - lam) * where[[1, 2, 0]]])
    np.testing.assert_allclose(loss(LOGITS, ids, PLAN, where=where), (share * each).sum(axis=0), rtol=1e-5)
    if loss is mixed_sigmoid_cross_entropy:
        hot = np.eye(3, dtype=np.float32)[ids]
        np.testing.assert_allclose(loss(LOGITS, hot, PLAN, where=where), (share * each).sum(axis=0), rtol=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_derivative_by_lambda_is_the_difference_of_two_losses(loss):
    ids, lam = jnp.array([0, 1, 2]), jnp.array([0.0, 0.5, 1.0])
    a, b = (LOSSES[loss](LOGITS, jax.nn.one_hot(labels, 3)) for labels in (ids, ids[PLAN.partner]))
    by_lam = jax.grad(lambda lam: jnp.sum(loss(LOGITS, ids, Mix(lam, PLAN.partner))))(lam)
    np.testing.assert_allclose(by_lam, a - b, rtol=1e-4, atol=1e-5)


@pytest.mark.thorough
def test_a_class_that_is_masked_out_counts_only_where_it_has_weight():
    logits, plan = jnp.array([[0.0, -jnp.inf], [0.0, 1.0]]), Mix(jnp.array([1.0, 0.5]), jnp.array([1, 0]))
    loss, gradient = jax.value_and_grad(lambda logits: mixed_cross_entropy(logits, jnp.array([0, 1]), plan)[0])(logits)
    assert (float(loss), bool(jnp.isfinite(gradient).all())) == (0.0, True)


def test_a_class_that_is_masked_out_costs_no_other_class_whether_labels_are_ids_or_multi_hot():
    logits = jnp.zeros((2, 3)).at[0, 0].set(-jnp.inf)
    ids, plan = jnp.asarray([1, 2]), Mix(jnp.asarray([0.75, 0.5]), jnp.asarray([1, 0]))

    def total(logits, labels):
        return mixed_sigmoid_cross_entropy(logits, labels, plan).sum()

    expected, slopes = jax.value_and_grad(total)(logits, ids)
    found, same = jax.value_and_grad(total)(logits, jax.nn.one_hot(ids, 3))
    assert np.isfinite(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(same, slopes, atol=1e-6)


def test_any_loss_is_the_mean_of_the_two_by_their_weights():
    label = {"box": jnp.arange(6.0).reshape(3, 2), "present": jnp.array([True, False, True])}

    def loss(label):
        return jnp.where(label["present"], jnp.sum((label["box"] - 1.0) ** 2, axis=1), 0.5)

    a, b = loss(label), loss(jax.tree.map(lambda leaf: leaf[PLAN.partner], label))
    expected = PLAN.lam * a + (1 - PLAN.lam) * b
    np.testing.assert_allclose(mixed_loss(loss, label, PLAN), expected, rtol=1e-6)
    other = jax.tree.map(lambda leaf: leaf[::-1], label)
    b = loss(jax.tree.map(lambda leaf: leaf[::-1][PLAN.partner], label))
    np.testing.assert_allclose(mixed_loss(loss, label, PLAN, other), PLAN.lam * a + (1 - PLAN.lam) * b, rtol=1e-6)


def test_any_loss_that_is_linear_gives_the_two_label_loss():
    def loss(ids):
        return optax.softmax_cross_entropy_with_integer_labels(LOGITS, ids)

    ids = jnp.array([0, 1, 2])
    np.testing.assert_allclose(mixed_loss(loss, ids, PLAN), mixed_cross_entropy(LOGITS, ids, PLAN), rtol=1e-5)


def test_a_loss_that_is_infinite_for_labels_without_weight_spoils_nothing():
    labels, plan = jnp.array([0.0, 1.0]), Mix(jnp.array([0.0, 1.0]), jnp.array([1, 0]))
    value, gradient = jax.value_and_grad(
        lambda w: mixed_loss(lambda label: w * jnp.sqrt(w) / label, labels, plan).sum()
    )(4.0)
    np.testing.assert_allclose((value, gradient), (16, 6))


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int32, np.float16, jnp.bfloat16, np.float64])
def test_a_loss_of_any_dtype_is_mixed_by_the_whole_lambda(dtype):
    predicted, ids, plan = jnp.array([0, 2, 1]), jnp.array([0, 1, 2]), Mix(jnp.full(3, 0.7004), PLAN.partner)

    def loss(labels):  # an accuracy, or what a user counts
        return (np.asarray(predicted == labels) * 100).astype(dtype)

    found = mixed_loss(loss, ids, plan)
    hundred = float(dtype(100))  # True is 1
    expected = np.float32([0.7004 * hundred, (1 - np.float32(0.7004)) * hundred, 0])
    exact = expected if found.dtype == np.float32 else expected.astype(dtype).astype(np.float32)
    np.testing.assert_allclose(found.astype(np.float32), exact, rtol=1e-6)
    assert found.dtype == (dtype if np.dtype(dtype).itemsize == 2 else np.float32)


BAD = [
    (lambda: mixed_cross_entropy(LOGITS + 0j, np.arange(3), PLAN), TypeError, r"logits must be real .* complex64"),
    (lambda: mixed_cross_entropy(PLAN, LOGITS, np.arange(3)), TypeError, r"plan must be a Mix.*logits, labels, plan"),
    (lambda: mixed_cross_entropy(LOGITS, np.eye(3, dtype=np.float32), PLAN), TypeError, r"integer .* float32\[3,3\]"),
    (lambda: mixed_sigmoid_cross_entropy(LOGITS, np.eye(3, dtype=np.int32), PLAN), TypeError, r"int32\[3,3\].*float32"),
    (lambda: mixed_cross_entropy(LOGITS, np.arange(3), PLAN, where=np.ones(3, np.float32)), TypeError, "where .* bool"),
    (lambda: mixed_cross_entropy(LOGITS, np.arange(3), PLAN, where=np.ones(2, bool)), ValueError, r"where .*bool\[2\]"),
    (lambda: mixed_cross_entropy(LOGITS, np.arange(3), PLAN, np.arange(3), where=np.ones(3, bool)), ValueError, "-1"),
    (lambda: mixed_cross_entropy(LOGITS, np.arange(3), Mix(jnp.array([2.0, 0, 1]), PLAN.partner)), ValueError, "2.0"),
    (lambda: mixed_loss(PLAN, LOGITS, np.arange(3)), TypeError, r"loss .* got Mix.*mixed_loss\(loss, labels, plan\)"),
    (lambda: mixed_loss(jnp.sum, np.ones(3, np.float32), PLAN), ValueError, r"\(batch,\), got float32\[\]"),
    (lambda: mixed_loss(jnp.abs, np.ones(2, np.float32), PLAN), ValueError, r"float32\[2\].* batch of 3"),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD)
def test_errors_name_the_argument(call, error, message, monkeypatch):
    monkeypatch.setattr("jaxtyping.config.jaxtyping_disable", True)  # the type checker of the tests would be first
    with pytest.raises(error, match=message):
        call()
