"""Laws of FMix: exact counts, and masks as smooth as their decay."""

import jax
import numpy as np
import pytest

from mixup_jax.methods import draw_fmix
from mixup_jax.methods.fmix import low_frequency_images

LAM = np.linspace(0, 1, 21, dtype=np.float32)


@pytest.mark.thorough
@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_exactly_the_rounded_share_of_the_pixels_is_kept(rng, fix_lambdas, size):
    fix_lambdas("fmix", LAM)
    plan = jax.jit(lambda rng: draw_fmix(rng, (21, *size), 1.0, per="example"))(rng)
    kept = np.asarray(plan.mask).sum(axis=(1, 2))
    np.testing.assert_array_equal(kept, np.round(LAM * np.prod(size, dtype=np.float32)))
    np.testing.assert_allclose(plan.lam, kept / np.prod(size), rtol=2e-7)


@pytest.mark.parametrize(("per", "different"), [("batch", 1), ("example", 6)])
def test_one_mask_a_batch_or_one_an_example(rng, fix_lambdas, per, different):
    fix_lambdas("fmix", np.full(6, 0.5))
    plan = jax.jit(lambda rng: draw_fmix(rng, (6, 8, 8), 1.0, per=per))(rng)
    assert len(np.unique(plan.mask, axis=0)) == different


@pytest.mark.parametrize("size", [(7, 5), (6, 8)])
def test_the_power_of_a_frequency_falls_with_its_decay(rng, size):
    images = jax.jit(lambda decay: low_frequency_images(rng, (4000, *size), decay))
    white, damped = (np.mean(np.abs(np.fft.fft2(images(decay))) ** 2, axis=0) for decay in (0.0, 3.0))
    frequency = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.fftfreq(size[1])[None])
    expected = np.maximum(frequency, 1 / max(size)) ** -6.0
    np.testing.assert_allclose(damped / white, expected, rtol=1e-3)  # the same noise in both
    shares = white / white[1, 1]  # white, but for the frequencies that have no imaginary part
    assert ((shares > 0.4) & (shares < 1.1)).all()


def test_masks_are_smoother_with_a_larger_decay_which_may_be_traced(rng):
    grey = jax.jit(lambda decay: low_frequency_images(rng, (4000, 16, 16), decay))

    def edges(decay):
        half = np.asarray(grey(decay)) > 0
        assert abs(half.mean(axis=0) - 0.5).max() < 5 * 0.5 / np.sqrt(4000)  # no place is preferred
        return np.mean(half[:, 1:] != half[:, :-1]) + np.mean(half[:, :, 1:] != half[:, :, :-1])

    assert 0.98 < edges(0.0) < 1.02  # white noise: every other pixel differs from its neighbour
    assert edges(3.0) < 0.6 * edges(1.5) < 0.4 * edges(0.0)
