"""Our plans give what installed peers give, for the same lambda and the same pairs. Peers are optional: none is needed.

pip install timm torchvision keras mosaicml        # what is missing is skipped; Keras runs on JAX
"""

import os
import warnings
from dataclasses import replace
from types import SimpleNamespace

import formulas
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mixup_jax import Mix, draw, mix, mixed_cross_entropy
from mixup_jax.methods import draw_cutmix, mixup_cutmix, regions
from mixup_jax.methods.regions import paste

BATCH, CLASSES, SIZE = 8, 5, (10, 12)
LAM = 0.3

pytestmark = pytest.mark.filterwarnings("ignore")  # other people's


def peer(name):
    """Import a peer, or skip the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.environ.setdefault("KERAS_BACKEND", "jax")
        return pytest.importorskip(name, exc_type=ImportError)


@pytest.fixture(scope="module")
def batch():
    """Images (batch, height, width, channels), class ids, one-hot labels and logits."""
    rng = np.random.default_rng(0)
    ids = rng.integers(CLASSES, size=BATCH)
    images = rng.normal(size=(BATCH, *SIZE, 3)).astype(np.float32)
    return images, ids, np.eye(CLASSES, dtype=np.float32)[ids], rng.normal(size=(BATCH, CLASSES)).astype(np.float32)


def channels_first(images):
    """Return a tensor (batch, channels, height, width) of its own memory: peers write into it."""
    return peer("torch").tensor(np.moveaxis(images, -1, 1).copy())


def channels_last(tensor):
    return np.moveaxis(tensor.numpy(), 1, -1)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-6)


def timm_mixup(**options):
    """Return timm's Mixup, without smoothing unless asked for."""
    return peer("timm.data.mixup").Mixup(**{"num_classes": CLASSES, "label_smoothing": 0.0, **options})


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_timm_batch(batch, rng, smoothing):
    images, ids, hot, _ = batch
    theirs = timm_mixup(label_smoothing=smoothing)
    theirs._params_per_batch = lambda: (LAM, False)
    x, y = theirs(channels_first(images), peer("torch").tensor(ids))
    plan = replace(draw(rng, BATCH, 1.0, partner="flip"), lam=jnp.full(BATCH, LAM))
    close(mix(plan, images), channels_last(x))
    close(mix(plan, optax.smooth_labels(jnp.asarray(hot), smoothing)), y)


@pytest.mark.parametrize("mode", ["elem", "pair"])
def test_timm_elem_and_pair(batch, rng, mode):
    images, ids, hot, _ = batch
    lam = np.linspace(0, 1, BATCH, dtype=np.float32)
    plan = replace(draw(rng, BATCH, 1.0, partner="flip"), lam=jnp.asarray(lam))
    theirs = timm_mixup(mode=mode)
    if mode == "pair":
        lam = lam[: BATCH // 2]
        plan = replace(plan, lam=jnp.concatenate([lam, lam[::-1]]))
    theirs._params_per_elem = lambda size: (lam.copy(), np.zeros(size, bool))
    x, y = theirs(channels_first(images), peer("torch").tensor(ids))
    close(mix(plan, images), channels_last(x))
    close(mix(plan, hot), y)


CENTERS = [(5, 6), (0, 0), (9, 2), (3, 11)]


def centers_are(monkeypatch, owner, row, column, wrap):
    """Let a peer draw this center: all of them draw two integers, here told apart by how large they may be."""

    def randint(*bounds, size=None):
        return wrap(row if max(bounds) == SIZE[0] else column)

    monkeypatch.setattr(owner, "randint", randint)


@pytest.mark.parametrize("lam", [0.05, 0.4, 0.75, 0.97])
@pytest.mark.parametrize("center", CENTERS)
def test_timm_cutmix(batch, monkeypatch, center, lam):
    images, ids, hot, _ = batch
    theirs = timm_mixup(mixup_alpha=0.0, cutmix_alpha=1.0)
    theirs._params_per_batch = lambda: (lam, True)
    centers_are(monkeypatch, np.random, *center, wrap=int)
    top, bottom, left, right = map(int, peer("timm.data.mixup").rand_bbox((BATCH, 3, *SIZE), lam))
    earlier, since_1_0_31 = (of(*center, lam, SIZE) for of in (formulas.composer_box, formulas.timm_box))
    assert (top, left, bottom, right) in (earlier, since_1_0_31)
    x, y = theirs(channels_first(images), peer("torch").tensor(ids))
    plan = paste(draw(jax.random.key(0), BATCH, 1.0, partner="flip"), box(top, left, bottom, right))
    close(mix(plan, images), channels_last(x))
    close(mix(plan, hot), y)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("pasting", [False, True])
def test_timm_in_one_call(batch, rng, monkeypatch, pasting, smoothing):
    images, ids, _, _ = batch
    theirs = timm_mixup(label_smoothing=smoothing, mixup_alpha=0.8, cutmix_alpha=1.0)
    theirs._params_per_batch = lambda: (LAM, pasting)
    with monkeypatch.context() as patch:
        centers_are(patch, np.random, 5, 3, wrap=int)
        x, y = theirs(channels_first(images), peer("torch").tensor(ids))
    monkeypatch.setattr(jax.random, "beta", lambda rng, a, b, shape, dtype: jnp.full(shape, LAM, dtype))
    centers = {SIZE[0]: 5, SIZE[1]: 3}
    monkeypatch.setattr(
        jax.random, "randint", lambda rng, shape, low, high, dtype: jnp.full(shape, centers[high], dtype)
    )
    options = {"classes": CLASSES, "smoothing": smoothing, "switch_probability": float(pasting)}
    ours = mixup_cutmix(rng, images, ids, **options)
    close(ours[0], channels_last(x))
    close(ours[1], y)


@pytest.mark.parametrize("mode", ["batch", "elem"])
def test_timm_draws_lambda_and_method_from_the_same_distributions(rng, monkeypatch, mode):
    """The batch is a black and a white image: a mixture says what was drawn. Two samples, Kolmogorov and Smirnov."""
    torch, count, side = peer("torch"), 3000, 16
    black_and_white = np.stack([np.zeros((side, side, 1)), np.ones((side, side, 1))]).astype(np.float32)
    theirs = timm_mixup(mixup_alpha=0.8, cutmix_alpha=1.0, prob=0.9, num_classes=2, mode=mode)
    numbers = np.random.default_rng(0)
    for name, draw_numbers in (("rand", numbers.random), ("beta", numbers.beta), ("randint", numbers.integers)):
        monkeypatch.setattr(np.random, name, draw_numbers)
    pairs = (theirs(channels_first(black_and_white), torch.tensor([0, 1])) for _ in range(count))
    drawn = [(channels_last(x)[0], y.numpy()[0, 0]) for x, y in pairs]
    theirs_x, theirs_lam = (np.stack(each) for each in zip(*drawn, strict=True))

    def one(key):
        per = {"batch": "batch", "elem": "example"}[mode]
        options = {"classes": 2, "probability": 0.9, "smoothing": 0.0, "per": per}
        x, y = mixup_cutmix(key, black_and_white, np.arange(2), **options)
        return x[0], y[0, 0]

    ours_x, ours_lam = jax.jit(jax.vmap(one))(jax.random.split(rng, count))
    whole = []
    for x, lam in ((theirs_x, theirs_lam), (np.asarray(ours_x), np.asarray(ours_lam))):
        blended = ((x > 0) & (x < 1)).all(axis=(1, 2, 3))
        whole.append([np.sort(lam[blended]), np.sort(lam[~blended])])
    for ours, other in zip(*whole, strict=True):
        assert abs(len(ours) - len(other)) < 4 * np.sqrt(count / 2)  # the share of each method
        places = np.union1d(ours, other)
        distance = [np.searchsorted(each, places, side="right") / len(each) for each in (ours, other)]
        limit = 1.95 * np.sqrt(1 / len(ours) + 1 / len(other))  # of equal distributions, 0.1 % are further apart
        assert np.abs(distance[0] - distance[1]).max() < limit


@pytest.mark.parametrize("minmax", [(0.2, 0.8), (0.25, 0.9)])
def test_timm_minmax_has_the_same_sides_and_corrects_lambda_as_we_do(batch, monkeypatch, minmax):
    images, ids, hot, _ = batch
    theirs = peer("timm.data.mixup")
    monkeypatch.setattr(np.random, "randint", np.random.default_rng(0).integers)  # the same bounds, but seeded
    top, bottom, left, right = theirs.rand_bbox_minmax(SIZE, minmax, count=2000)
    drawn = ~np.asarray(draw_cutmix(jax.random.key(0), (2000, *SIZE), 1.0, minmax=minmax, per="example").mask)
    for side, axis in ((bottom - top, 1), (right - left, 2)):
        np.testing.assert_array_equal(np.unique(drawn.any(axis=3 - axis).sum(axis=1)), np.unique(side))
    monkeypatch.setattr(theirs, "rand_bbox_minmax", lambda *_, **__: (2, 8, 5, 12))
    x, y = timm_mixup(cutmix_minmax=minmax, mixup_alpha=0.0, cutmix_alpha=1.0)(
        channels_first(images), peer("torch").tensor(ids)
    )
    plan = paste(draw(jax.random.key(0), BATCH, 1.0, partner="flip"), box(2, 5, 8, 12))
    close(mix(plan, images), channels_last(x))
    close(mix(plan, hot), y)


def test_torchvision_mixup(batch, rng):
    images, ids, hot, logits = batch
    torch, v2 = peer("torch"), peer("torchvision.transforms.v2")
    theirs = v2.MixUp(alpha=1.0, num_classes=CLASSES)
    theirs._dist = SimpleNamespace(sample=lambda shape: torch.tensor([LAM]))
    x, y = theirs(channels_first(images), torch.tensor(ids))
    plan = replace(draw(rng, BATCH, 1.0, partner="roll"), lam=jnp.full(BATCH, LAM))
    close(mix(plan, images), channels_last(x))
    close(mix(plan, hot), y)
    loss = torch.nn.functional.cross_entropy(torch.tensor(logits), y)
    close(mixed_cross_entropy(logits, ids, plan).mean(), loss)


@pytest.mark.parametrize("lam", [0.05, 0.4, 0.75, 0.97])
@pytest.mark.parametrize("center", CENTERS)
def test_torchvision_cutmix(batch, monkeypatch, center, lam):
    images, ids, hot, _ = batch
    torch, v2 = peer("torch"), peer("torchvision.transforms.v2")
    theirs = v2.CutMix(alpha=1.0, num_classes=CLASSES)
    theirs._dist = SimpleNamespace(sample=lambda shape: torch.tensor([lam]))
    centers_are(monkeypatch, torch, *center, wrap=lambda value: torch.tensor([value]))
    left, top, right, bottom = theirs.make_params([channels_first(images)])["box"]
    assert (top, left, bottom, right) == formulas.torchvision_box(*center, lam, SIZE)
    x, y = theirs(channels_first(images), torch.tensor(ids))
    plan = paste(draw(jax.random.key(0), BATCH, 1.0, partner="roll"), box(top, left, bottom, right))
    close(mix(plan, images), channels_last(x))
    close(mix(plan, hot), y)


def box(*bounds):
    bounds = [jnp.array([bound]) for bound in bounds]
    return regions.box(bounds[:2], bounds[2:], SIZE)


def test_composer_mixup(batch, rng):
    images, ids, _, _ = batch
    torch, functional = peer("torch"), peer("composer.functional")
    plan = replace(draw(rng, BATCH, 1.0), lam=jnp.full(BATCH, LAM))
    index = torch.tensor(np.array(plan.partner))
    x, partner_ids, _ = functional.mixup_batch(
        channels_first(images), torch.tensor(ids), mixing=1 - LAM, indices=index.long()
    )
    close(mix(plan, images), channels_last(x))
    np.testing.assert_array_equal(ids[np.asarray(plan.partner)], partner_ids)


@pytest.mark.parametrize("interpolate_loss", [True, False])
def test_composer_in_training(batch, interpolate_loss):
    """One step of its algorithm, with the lambda and the permutation that it drew: labels mixed, or losses."""
    images, ids, hot, logits = batch
    torch, composer = peer("torch"), peer("composer")
    algorithm = peer("composer.algorithms").MixUp(alpha=1.0, interpolate_loss=interpolate_loss)
    data = [channels_first(images), torch.tensor(ids)]
    entropy = torch.nn.functional.cross_entropy
    state = SimpleNamespace(
        outputs=torch.tensor(logits),
        loss=entropy(torch.tensor(logits), torch.tensor(ids)),
        model=SimpleNamespace(loss=lambda outputs, batch: entropy(outputs, batch[1])),
        batch_get_item=lambda key: data[key],
        batch_set_item=lambda key, value: data.__setitem__(key, value),
    )
    algorithm.apply(composer.Event.BEFORE_FORWARD, state, None)
    lam = 1 - algorithm.mixing
    assert lam >= 0.5  # composer folds: an example never weighs less than its partner
    plan = Mix(jnp.full(BATCH, lam), jnp.asarray(algorithm.indices.numpy(), jnp.int32))
    close(mix(plan, images), channels_last(data[0]))
    loss = mixed_cross_entropy(logits, ids, plan).mean()
    if interpolate_loss:
        algorithm.apply(composer.Event.BEFORE_BACKWARD, state, None)
        close(loss, state.loss)
    else:
        algorithm.apply(composer.Event.BEFORE_LOSS, state, None)
        close(mix(plan, hot), data[1])
        close(loss, entropy(torch.tensor(logits), data[1]))


def test_composer_cutmix(batch, rng):
    images, ids, _, _ = batch
    torch, functional = peer("torch"), peer("composer.functional")
    plan = paste(draw(rng, BATCH, 1.0), box(2, 5, 8, 12))
    index = torch.tensor(np.array(plan.partner)).long()
    x, partner_ids, area, _ = functional.cutmix_batch(
        channels_first(images), torch.tensor(ids), bbox=(2, 5, 8, 12), indices=index
    )
    close(mix(plan, images), channels_last(x))
    np.testing.assert_array_equal(ids[np.asarray(plan.partner)], partner_ids)
    close(plan.lam, np.full(BATCH, area))


@pytest.mark.parametrize("lam", [0.05, 0.4, 0.75, 0.97])
@pytest.mark.parametrize("center", CENTERS)
def test_composer_draws_the_box_of_the_formula(center, lam):
    box_of = peer("composer.algorithms.cutmix.cutmix")._rand_bbox
    theirs = box_of(*SIZE, lam, *center)
    assert tuple(map(int, theirs)) == formulas.composer_box(*center, lam, SIZE)


def test_keras_mixup(batch, rng):
    images, _, hot, _ = batch
    theirs = peer("keras").layers.MixUp(alpha=0.2)
    plan = replace(draw(rng, BATCH, 1.0), lam=jnp.linspace(0, 1, BATCH))
    drawn = {"mix_weight": plan.lam, "permutation_order": plan.partner}
    with jax.numpy_rank_promotion("allow"):
        x, y = theirs.transform_images(images, drawn), theirs.transform_labels(hot, drawn)
    close(mix(plan, images), x)
    close(mix(plan, hot), y)


def test_keras_cutmix_pastes_the_same_pixels_but_weighs_labels_by_an_unrounded_box(batch):
    images, _, hot, _ = batch
    theirs = peer("keras").layers.CutMix(seed=0)
    with jax.numpy_rank_promotion("allow"):
        drawn = theirs.get_random_transformation({"images": images})
        x, y = theirs.transform_images(images, drawn), theirs.transform_labels(hot, drawn)
    partner = jnp.asarray(drawn["permutation_order"], jnp.int32)
    mask = ~np.asarray(drawn["batch_masks"])[..., 0]
    plan = paste(Mix(jnp.ones(BATCH), partner), jnp.asarray(mask))
    close(mix(plan, images), x)
    unrounded = replace(plan, lam=jnp.asarray(drawn["mix_weight"]).reshape(BATCH))
    close(mix(unrounded, hot), y)
    assert float(jnp.abs(unrounded.lam - plan.lam).max()) > 1e-3
