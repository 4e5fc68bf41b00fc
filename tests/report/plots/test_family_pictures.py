"""Laws of the pictures of the family: what is drawn is what was mixed, with the label that it has."""

import numpy as np
import pytest

from mixup_jax.report.plots.drawing import png_bytes
from mixup_jax.report.plots.family import image_grid, lambda_histograms, method_rows, shares

RNG = np.random.default_rng(0)


def rows(count=3):
    images, labels = RNG.random((count, 6, 6, 3)), RNG.dirichlet([1, 1, 1], count)
    return {"$mixup_": (images, labels), "other": (images[::-1], labels[::-1])}


def test_each_image_stands_above_its_label():
    drawn = rows()
    figure = method_rows(drawn, ("cat", "dog", "$cow_"))
    for band, (name, (images, labels)) in zip(figure.subfigs, drawn.items(), strict=True):
        assert band.get_suptitle() == name
        for axes, image, label in zip(band.axes, images, labels, strict=True):
            np.testing.assert_array_equal(axes.images[0].get_array(), image)
            assert axes.get_xlabel() == shares(label, ("cat", "dog", "$cow_"))
    assert png_bytes(figure) == png_bytes(figure)


def test_rows_of_different_length_are_refused():
    with pytest.raises(ValueError, match=r"rows hold \[2, 3\] images"):
        method_rows({"a": rows(2)["other"], "b": rows(3)["other"]}, "abc")


def test_a_grid_holds_images_of_any_size_under_their_titles_and_frames_some():
    drawn = {"$large_": [RNG.random((6, 6, 1))] * 2, "small": [RNG.random((3, 3, 3))] * 2}
    captions, framed = {"small": ["one", "$two_"]}, {"small": [False, True]}
    figure = image_grid(drawn, headings=["a", "b"], captions=captions, framed=framed)
    first, second = figure.subfigs
    assert [axes.get_title() for axes in first.axes] == ["a", "b"]
    assert [axes.get_xlabel() for axes in second.axes] == captions["small"]
    assert [axes.spines["left"].get_visible() for axes in (*first.axes, *second.axes)] == [False, False, False, True]
    assert png_bytes(figure) == png_bytes(figure)
    with pytest.raises(ValueError, match=r"rows hold \[1, 2\] images"):
        image_grid({"a": drawn["small"], "b": drawn["small"][:1]})


def test_a_histogram_has_the_area_one_and_says_what_lies_beyond():
    draws = {0.1: RNG.beta(0.1, 0.1, 1000), 8.0: RNG.beta(8, 8, 1000)}
    figure = lambda_histograms(draws)
    for axes in figure.axes:
        np.testing.assert_allclose(sum(bar.get_height() * bar.get_width() for bar in axes.patches), 1)
    assert [len(axes.texts) for axes in figure.axes] == [1, 0]
