"""Laws of SaliencyMix: the box is where the partner is most salient; and of the default saliency."""

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from mixup_jax.methods import draw_saliencymix, saliencymix, static_saliency
from mixup_jax.methods.regions import box_at

LAM = np.linspace(0, 1, 21, dtype=np.float32)
PARTNER = np.roll(np.arange(21), 1)
saliency_map = jax.jit(static_saliency, static_argnames="scales")


@pytest.mark.parametrize("peak", ["batch", "example"])
@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_the_box_is_around_the_peak_of_the_partner(rng, fix_lambdas, size, peak):
    fix_lambdas("saliencymix", LAM)
    saliency = np.random.default_rng(0).random((21, *size), np.float32)
    plan = jax.jit(lambda saliency: draw_saliencymix(rng, saliency, 1.0, peak=peak))(saliency)
    source = PARTNER if peak == "example" else np.full(21, PARTNER[0])
    row, column = np.unravel_index(saliency.reshape(21, -1).argmax(axis=1)[source], size)
    boxes = jax.jit(lambda center, lam: box_at(center, lam, size))((row, column), LAM)
    np.testing.assert_array_equal(plan.mask, boxes)
    np.testing.assert_allclose(plan.lam, np.asarray(boxes).mean(axis=(1, 2)), rtol=2e-7)


def test_the_default_saliency_is_the_static_one(rng, fix_lambdas):
    fix_lambdas("saliencymix", LAM)
    x, y = np.random.default_rng(0).normal(size=(21, 7, 5, 3)).astype(np.float32), np.eye(21, dtype=np.float32)
    default = jax.jit(lambda x: saliencymix(rng, {"image": x}, y, 1.0))(x)
    given = jax.jit(lambda x: saliencymix(rng, x, y, 1.0, saliency=static_saliency(x)))(x)
    np.testing.assert_array_equal(default[0]["image"], given[0])
    np.testing.assert_array_equal(default[1], given[1])


def saliency_of(grey, scales):
    """The definition, pixel by pixel, in float64."""
    padded = np.full((grey.shape[0] + 4, grey.shape[1] + 4), np.nan)
    padded[2:-2, 2:-2] = grey
    weight = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1])
    center, saliency = np.zeros(grey.shape), np.zeros(grey.shape)
    for i, j in np.ndindex(grey.shape):
        window = padded[i : i + 5, j : j + 5]
        center[i, j] = np.nansum(window * weight) / weight[~np.isnan(window)].sum()
    for scale in scales:
        for i, j in np.ndindex(grey.shape):
            window = center[max(i - scale, 0) : i + scale + 1, max(j - scale, 0) : j + scale + 1]
            saliency[i, j] += abs(center[i, j] - (window.sum() - center[i, j]) / (window.size - 1))
    return saliency / saliency.max()


@pytest.mark.parametrize("scales", [(1, 2), (2, 6, 6, 40)])
def test_static_saliency_is_its_definition(scales):
    image = np.random.default_rng(0).random((3, 7, 5, 3), np.float32)
    expected = np.stack([saliency_of(each.mean(axis=-1), scales) for each in image.astype(np.float64)])
    np.testing.assert_allclose(saliency_map(image, scales), expected, atol=0.501 / 255)


def test_brightness_contrast_and_sign_do_not_matter():
    image = np.random.default_rng(0).integers(0, 120, (3, 8, 8), np.uint8)
    saliency = saliency_map(image)
    for other in (image.astype(np.float32), image + np.uint8(7), image * np.uint8(2), 255 - image, image[..., None]):
        np.testing.assert_allclose(saliency_map(other), saliency, atol=1.001 / 255)


def test_saliency_on_eight_devices_is_that_on_one():
    image = np.random.default_rng(0).integers(0, 3, (16, 12, 12), np.uint8)  # many pixels that are as salient
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    sharded = saliency_map(jax.device_put(image, NamedSharding(mesh, P("data"))))
    np.testing.assert_array_equal(sharded, saliency_map(image))


def test_a_spot_is_salient_and_a_flat_image_is_not():
    image = np.zeros((3, 32, 32), np.float32)
    image[0, 20:23, 4:7] = 1
    image[1, 20:23, 4:7] = -1
    saliency = np.asarray(saliency_map(image))
    for found in saliency[:2]:
        assert np.unravel_index(found.argmax(), found.shape) == (21, 5)
        assert found.max() == 1
    assert not saliency[2].any()


def test_errors_name_the_argument(rng):
    x, y = np.zeros((4, 8, 8, 3), np.float32), np.eye(4, dtype=np.float32)
    with pytest.raises(ValueError, match=r"saliency must be \(4, 8, 8\).* got shape \(4, 8, 8, 3\)"):
        saliencymix(rng, x, y, 1.0, saliency=x)
    with pytest.raises(ValueError, match=r"saliency must be \(batch, height, width\), got shape \(4, 4\)"):
        draw_saliencymix(rng, y, 1.0)
    with pytest.raises(ValueError, match="peak must be one of batch, example, got 'image'"):
        draw_saliencymix(rng, x[..., 0], 1.0, peak="image")
    with pytest.raises(ValueError, match=r"scales at least 1, got shape \(4, 8, 8, 3\) and \(0, 2\)"):
        static_saliency(x, (0, 2))
    with pytest.raises(ValueError, match=r"got shape \(4, 4\)"):
        static_saliency(y)
