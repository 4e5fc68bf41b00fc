"""Our plans give what the formulas of other implementations give, for the same lambda and the same pairs."""

from dataclasses import replace

import formulas
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mixup_jax import Mix, draw, mix, mixed_cross_entropy
from mixup_jax.methods import draw_cutmix
from mixup_jax.methods.regions import box as box_mask
from mixup_jax.methods.regions import box_at, paste

BATCH, CLASSES, SIZE = 8, 5, (9, 7)
LAMBDAS = (0.0, 0.2, 0.5, 0.83, 1.0)


@pytest.fixture(scope="module")
def batch():
    """Images, class ids and logits in float64; mixed in float32 by us."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(BATCH, *SIZE, 3))
    return images, rng.integers(CLASSES, size=BATCH), 3 * rng.normal(size=(BATCH, CLASSES))


def one_hot(ids):
    return np.eye(CLASSES)[ids]


def ours(plan, array):
    return np.asarray(mix(plan, jnp.asarray(array, jnp.float32)))


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)


@pytest.mark.thorough
@pytest.mark.parametrize("lam", LAMBDAS)
def test_the_released_code(batch, rng, lam):
    x, ids, logits = batch
    plan = replace(draw(rng, BATCH, 1.0), lam=jnp.full(BATCH, lam))
    index = np.asarray(plan.partner)
    close(ours(plan, x), formulas.released_code(x, lam, index))
    loss = mixed_cross_entropy(jnp.asarray(logits, jnp.float32), jnp.asarray(ids), plan).mean()
    close(loss, formulas.released_loss(logits, ids, lam, index))
    # its two losses are the one of the paper, against the mixed label
    close(loss, formulas.soft_cross_entropy(logits, lam * one_hot(ids) + (1 - lam) * one_hot(ids)[index]).mean())


@pytest.mark.parametrize("alpha", [0.3, 4.0])
def test_the_released_code_for_a_lambda_that_we_drew(batch, rng, alpha):
    x, ids, logits = batch
    plan = draw(rng, BATCH, alpha)
    lam, index = float(plan.lam[0]), np.asarray(plan.partner)
    close(ours(plan, x), formulas.released_code(x, lam, index))
    loss = mixed_cross_entropy(jnp.asarray(logits, jnp.float32), jnp.asarray(ids), plan).mean()
    close(loss, formulas.released_loss(logits, ids, lam, index))


def test_the_accuracy_of_the_released_code(batch, rng):
    _, ids, logits = batch
    plan = draw(rng, BATCH, 1.0)
    hit = (logits.argmax(axis=1)[:, None] == np.stack([ids, ids[np.asarray(plan.partner)]], axis=1)).astype(np.float32)
    accuracy = jnp.mean(plan.lam * hit[:, 0] + (1 - plan.lam) * hit[:, 1])
    close(accuracy, formulas.released_accuracy(logits, ids, float(plan.lam[0]), np.asarray(plan.partner)))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("lam", LAMBDAS)
def test_timm_batch(batch, rng, lam, smoothing):
    x, ids, _ = batch
    plan = replace(draw(rng, BATCH, 1.0, partner="flip"), lam=jnp.full(BATCH, lam))
    close(ours(plan, x), formulas.timm_batch(x, lam))
    target = optax.smooth_labels(jax.nn.one_hot(ids, CLASSES), smoothing)
    close(mix(plan, target), formulas.timm_batch(formulas.timm_labels(ids, CLASSES, smoothing), lam))


def test_timm_elem(batch, rng):
    x, ids, _ = batch
    lam = np.linspace(0, 1, BATCH)
    plan = replace(draw(rng, BATCH, 1.0, partner="flip"), lam=jnp.asarray(lam, jnp.float32))
    close(ours(plan, x), formulas.timm_elem(x, lam))
    close(ours(plan, one_hot(ids)), formulas.timm_elem(one_hot(ids), lam))


def test_timm_pair(batch, rng):
    x, ids, _ = batch
    lam = np.linspace(0.1, 1, BATCH // 2)
    both = jnp.asarray(np.concatenate([lam, lam[::-1]]), jnp.float32)
    plan = replace(draw(rng, BATCH, 1.0, partner="flip"), lam=both)
    close(ours(plan, x), formulas.timm_pair(x, lam))
    close(ours(plan, one_hot(ids)), formulas.timm_pair(one_hot(ids), lam))


@pytest.mark.parametrize("lam", LAMBDAS)
def test_torchvision(batch, rng, lam):
    x, ids, logits = batch
    plan = replace(draw(rng, BATCH, 1.0, partner="roll"), lam=jnp.full(BATCH, lam))
    close(ours(plan, x), formulas.torchvision_mixup(x, lam))
    dense = formulas.torchvision_mixup(one_hot(ids), lam)
    close(ours(plan, one_hot(ids)), dense)
    loss = mixed_cross_entropy(jnp.asarray(logits, jnp.float32), jnp.asarray(ids), plan)
    close(loss, formulas.soft_cross_entropy(logits, dense))


@pytest.mark.parametrize("lam", LAMBDAS)
def test_composer(batch, rng, lam):
    x, ids, logits = batch
    plan = replace(draw(rng, BATCH, 1.0), lam=jnp.full(BATCH, lam))
    index, mixing = np.asarray(plan.partner), 1 - lam
    close(ours(plan, x), formulas.composer_mixup(x, mixing, index))
    close(ours(plan, one_hot(ids)), formulas.composer_mixup(one_hot(ids), mixing, index))
    loss = mixed_cross_entropy(jnp.asarray(logits, jnp.float32), jnp.asarray(ids), plan).mean()
    close(loss, formulas.composer_loss(logits, ids, mixing, index))


def test_keras(batch, rng):
    x, ids, _ = batch
    lam = np.linspace(0, 1, BATCH)
    plan = replace(draw(rng, BATCH, 1.0), lam=jnp.asarray(lam, jnp.float32))
    index = np.asarray(plan.partner)
    close(ours(plan, x), formulas.keras_mixup(x, lam, index))
    close(ours(plan, one_hot(ids)), formulas.keras_mixup(one_hot(ids), lam, index))


@pytest.mark.parametrize("lam", LAMBDAS)
def test_big_vision(batch, rng, lam):
    x, ids, _ = batch
    plan = replace(draw(rng, BATCH, 1.0, partner="roll"), lam=jnp.full(BATCH, lam))
    plan = replace(plan, lam=jnp.maximum(plan.lam, 1 - plan.lam))
    close(ours(plan, x), formulas.big_vision_mixup(x, lam))
    close(ours(plan, one_hot(ids)), formulas.big_vision_mixup(one_hot(ids), lam))


CENTERS = [(4, 3), (0, 0), (8, 6), (0, 6), (2, 5)]


@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("lam", [0.02, 0.3, 0.61, 0.9, 1.0])
def test_the_box_of_timm_for_a_center_and_a_lambda(batch, center, lam):
    x, ids, _ = batch
    expected, corrected = formulas.cutmix(x, x[::-1], formulas.timm_box(*center, lam, SIZE))
    mask = box_at((jnp.array([center[0]]), jnp.array([center[1]])), jnp.array([lam]), SIZE)
    plan = paste(Mix(jnp.full(BATCH, lam), jnp.arange(BATCH)[::-1]), mask)
    close(ours(plan, x), expected)
    close(plan.lam, np.full(BATCH, corrected))
    close(ours(plan, one_hot(ids)), formulas.timm_batch(one_hot(ids), corrected))


@pytest.mark.parametrize("box_of", [formulas.torchvision_box, formulas.composer_box])
@pytest.mark.parametrize("center", CENTERS)
@pytest.mark.parametrize("lam", [0.02, 0.3, 0.61, 0.9, 1.0])
def test_boxes_of_even_sides_paste_and_weigh_as_a_given_box_does(batch, box_of, center, lam):
    x, ids, _ = batch
    box = box_of(*center, lam, SIZE)
    expected, corrected = formulas.cutmix(x, np.roll(x, 1, axis=0), box)
    plan = draw(jax.random.key(0), BATCH, 1.0, partner="roll")
    bounds = [jnp.array([bound]) for bound in box]
    plan = paste(plan, box_mask(bounds[:2], bounds[2:], SIZE))
    close(ours(plan, x), expected)
    close(plan.lam, np.full(BATCH, corrected))
    close(ours(plan, one_hot(ids)), formulas.torchvision_mixup(one_hot(ids), corrected))
    # the same box as ours, but for the last row and column where a side is odd
    own = np.asarray(formulas.timm_box(*center, lam, SIZE))
    assert (own - box).tolist() in [[0, 0, down, right] for down in (0, 1) for right in (0, 1)]


def test_boxes_that_we_draw_are_rectangles_with_the_corrected_lambda(batch, rng):
    x, ids, _ = batch
    plan = draw_cutmix(rng, (BATCH, *SIZE), 1.0, partner="flip")
    images, labels = ours(plan, x), ours(plan, one_hot(ids))
    for i, mask in enumerate(np.asarray(plan.mask)):
        rows, columns = np.nonzero(~mask)
        box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) if len(rows) else (0, 0, 0, 0)
        expected, corrected = formulas.cutmix(x, x[::-1], box)
        close(images[i], expected[i])
        close(labels[i], formulas.timm_batch(one_hot(ids), corrected)[i])
