"""Laws of the training's losses: values at the start, targets and thresholds, smoothing before or after mixing."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_runs import DATA, MLP, changed

from mixup_jax import draw, mix
from mixup_jax.choices import BinaryCrossEntropy, Softmax
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.soft_loss import soft_loss

CLASSES = 1000
KINDS = [Softmax(), BinaryCrossEntropy(), BinaryCrossEntropy(sum_classes=True)]


@pytest.fixture
def mixed(rng):
    """Logits, and labels mixed at random."""
    label = jax.nn.one_hot(jnp.arange(8) % 5, 5)
    return 3 * jax.random.normal(rng, (8, 5)), mix(draw(rng, 8, 1.0, per="example"), label)


def test_the_losses_of_a_network_that_knows_nothing_are_those_of_its_head():
    target = jax.nn.one_hot(jnp.array([7]), CLASSES)
    at_zero, bias = jnp.zeros((1, CLASSES)), jnp.full((1, CLASSES), -6.9)
    np.testing.assert_allclose(soft_loss(Softmax(), at_zero, target), np.log(1000), rtol=1e-6)
    np.testing.assert_allclose(soft_loss(BinaryCrossEntropy(), at_zero, target), np.log(2), rtol=1e-6)
    np.testing.assert_allclose(soft_loss(BinaryCrossEntropy(sum_classes=True), bias, target), 7.907, atol=5e-4)


@pytest.mark.thorough
def test_binary_cross_entropy_is_its_definition(mixed):
    logits, target = (np.asarray(each, np.float64) for each in mixed)
    probability = 1 / (1 + np.exp(-logits))
    expected = -(target * np.log(probability) + (1 - target) * np.log(1 - probability))
    np.testing.assert_allclose(soft_loss(BinaryCrossEntropy(), *mixed), expected.mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(soft_loss(KINDS[2], *mixed), expected.sum(axis=1), rtol=1e-5)


@pytest.mark.parametrize("sum_classes", [False, True])
@pytest.mark.parametrize("threshold", [None, 0.0, 0.2])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_is_timms(mixed, sum_classes, threshold, smoothing):
    torch, timm = pytest.importorskip("torch"), pytest.importorskip("timm.loss")
    logits, target = mixed[0], optax.smooth_labels(mixed[1], smoothing)
    theirs = timm.BinaryCrossEntropy(target_threshold=threshold, sum_classes=sum_classes, smoothing=0.0)
    expected = theirs(*(torch.tensor(np.asarray(each)) for each in (logits, target)))
    ours = soft_loss(BinaryCrossEntropy(sum_classes, threshold), logits, target).mean()
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_a_threshold_turns_on_what_is_strictly_above_it():
    target, logits = jnp.array([[0.25, 0.75, 0.0]]), jnp.array([[2.0, -1.0, 0.5]])
    for threshold, wanted in ((0.0, [1, 1, 0]), (0.25, [0, 1, 0]), (0.75, [0, 0, 0])):
        expected = soft_loss(BinaryCrossEntropy(), logits, jnp.array([wanted], jnp.float32))
        np.testing.assert_array_equal(
            soft_loss(BinaryCrossEntropy(target_threshold=threshold), logits, target), expected
        )


@pytest.mark.parametrize("smoothing", [0.1, 0.5])
def test_smoothing_after_mixing_is_timms_smoothing_before(rng, smoothing):
    """Both are linear: ``off = s / C`` and ``on = 1 - s + off`` mix to ``(1 - s) * label + s / C``."""
    plan, ids = draw(rng, 8, 1.0, per="example"), np.arange(8) % 5
    off = smoothing / 5
    before = mix(plan, jnp.where(jax.nn.one_hot(ids, 5) == 1, 1 - smoothing + off, off))
    after = optax.smooth_labels(mix(plan, jax.nn.one_hot(ids, 5)), smoothing)
    np.testing.assert_allclose(after, before, rtol=1e-6)


@pytest.mark.parametrize("loss", KINDS)
def test_class_ids_are_refused(loss):
    for ids in (jnp.arange(3), jnp.eye(3, dtype=jnp.int32), jnp.ones((3, 4))):
        with pytest.raises(TypeError, match=r"target must be soft labels, .*one_hot") as error:
            soft_loss(loss, jnp.zeros((3, 3)), ids)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("smoothing", "threshold", "fine"),
    [(0.0, 0.0, True), (0.3, 0.1, True), (0.3, 0.05, False), (0.3, 0.75, True), (0.3, 0.8, False), (0.3, 0.95, False)],
)
def test_a_threshold_that_tells_no_classes_apart_is_refused(smoothing, threshold, fine):
    config = changed(MLP, loss="bce", target_threshold=threshold, label_smoothing=smoothing)
    if fine:
        assert make_recipe(config, DATA).loss.args == (config.loss,)
    else:
        with pytest.raises(ValueError, match=f"target_threshold must be at least 0.1 and below 0.8, .*{threshold}"):
            make_recipe(config, DATA)
