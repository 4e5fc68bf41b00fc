"""Laws of the pictures of mixup: ends are the images, the middle is what the library mixes, shares are exact."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from mixup_jax import Mix, mix
from mixup_jax.report.plots.drawing import png_bytes
from mixup_jax.report.plots.illustrations import beta_densities, mixed, mixed_samples, smaller_share, soft_label


@pytest.fixture(params=[1, 3])
def images(request):
    return np.random.default_rng(0).integers(0, 256, (4, 6, 6, request.param), dtype=np.uint8)


def test_two_calls_give_the_same_bytes_and_no_axes_are_empty(images):
    figures = [mixed_samples(images, [0, 1, 1, 2], ["<b>", "$x_", "cat"]) for _ in range(2)]
    assert len(figures[0].axes) == 2 * 11
    assert all(axes.images for axes in figures[0].axes)
    assert png_bytes(figures[0]) == png_bytes(figures[1])


def test_lambda_zero_is_the_second_image_and_one_the_first(images):
    first, second = images[0], images[1]
    np.testing.assert_allclose(mixed(first, second, 1.0), np.squeeze(first) / 255.0, atol=1e-6)
    np.testing.assert_allclose(mixed(first, second, 0.0), np.squeeze(second) / 255.0, atol=1e-6)


def test_the_picture_is_what_the_library_mixes(images):
    plan = Mix(lam=jnp.asarray([0.3, 0.3], jnp.float32), partner=jnp.asarray([1, 0]))
    expected = mix(plan, jnp.asarray(images[:2], jnp.float32) / 255)
    np.testing.assert_allclose(mixed(images[0], images[1], 0.3), np.squeeze(expected[0]), atol=1e-5)


def test_a_caption_names_both_shares():
    assert soft_label("cat", "dog", 0.75) == "0.75 cat\n0.25 dog"


@pytest.mark.parametrize("count", [1, 3])
def test_what_cannot_be_paired_is_an_error(count):
    with pytest.raises(ValueError, match="examples; pairs"):
        mixed_samples(np.zeros((count, 4, 4, 1), np.uint8), [0] * count, ["cat"])


@pytest.mark.parametrize("alpha", [0.2, 0.4, 1.0, 8.0])
def test_the_smaller_share_is_its_integral(alpha):
    integral, _ = integrate.quad(lambda lam: 2 * lam * stats.beta.pdf(lam, alpha, alpha), 0, 0.5)
    assert smaller_share(alpha) == pytest.approx(integral, rel=1e-6)


def test_the_legend_tells_the_smaller_share():
    labels = [label.get_text() for label in beta_densities((0.2, 1)).legends[0].get_texts()]
    assert [label.split() for label in labels] == [["α", "=", "0.2", "(0.101)"], ["α", "=", "1", "(0.250)"]]


def test_alpha_zero_has_no_density():
    with pytest.raises(ValueError, match="alpha > 0"):
        beta_densities((0.0, 1.0))
