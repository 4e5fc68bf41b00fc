"""Laws of the gallery's figures: what is drawn is what the library returned."""

import matplotlib.colors
import numpy as np
import pytest

from experiments.gallery import figures as gallery_figures
from experiments.gallery.images import first_examples, photographs
from mixup_jax.report.plots.drawing import PALETTE

pytestmark = pytest.mark.slow  # each picture compiles programs of its own


@pytest.fixture(scope="module")
def images():
    """Three photographs and some digits."""
    return photographs(16), first_examples("digits", None, 64)


def pixels(band):
    return np.stack([np.asarray(axes.images[0].get_array()) for axes in band.axes])


def test_the_mixed_half_of_regmixup_is_below_the_clean_one(rng, images):
    figure = gallery_figures.regmixup(rng, *images)
    clean, mixed = figure.subfigs
    np.testing.assert_allclose(pixels(clean), images[0].image / 255, atol=1e-6)
    assert np.abs(pixels(mixed) - pixels(clean)).max() > 0.1
    assert "weight of the loss 2" in clean.get_suptitle()
    assert "weight of the loss 1" in mixed.get_suptitle()


def test_optimal_partners_are_nearer_than_random_ones_and_mixed_in_equal_parts(rng, images):
    own, random, random_mixed, optimal, optimal_mixed = gallery_figures.k_mixup(rng, *images).subfigs
    distances = [float(band.get_suptitle().rsplit(" ", 1)[1]) for band in (random, optimal)]
    assert distances[1] < 0.8 * distances[0]
    for partner, mixed in ((random, random_mixed), (optimal, optimal_mixed)):
        np.testing.assert_allclose(pixels(mixed), (pixels(own) + pixels(partner)) / 2, atol=1e-6)


def test_partners_meet_where_their_policy_says(rng, images):
    often = {
        axes.get_title(loc="left"): np.asarray(axes.images[0].get_array())
        for axes in gallery_figures.partners(rng, *images).axes
    }
    assert list(often)[:4] == ["permutation", "derangement", "roll", "flip"]
    assert len(often) == 8
    assert (often["permutation"] > 0).all()
    np.testing.assert_array_equal(often["roll"], np.roll(np.eye(24), -1, axis=1))
    label = np.repeat(np.arange(4), 6)
    same = label[:, None] == label[None]
    for share in often.values():
        np.testing.assert_allclose(share.sum(axis=1), 1)
    assert not np.diag(often["derangement"]).any()
    assert not often["same_class"][~same].any()
    assert not often["different_class"][same].any()
    assert ((often["neighbours, k = 3"] > 0).sum(axis=1) == 3).all()
    np.testing.assert_array_equal(often["flip"], np.eye(24)[::-1])
    near = np.abs(np.arange(24)[:, None] - np.arange(24)) < 12
    assert often["by_label_distance"][near].sum() > 0.9 * 24


def test_choose_mixes_as_often_as_the_schedule_says(rng, images):
    axes = gallery_figures.phase_out(rng, *images).axes[0]
    curves = axes.lines[:-1]
    for line, dots in zip(curves[::2], curves[1::2], strict=True):
        expected = np.interp(dots.get_xdata(), line.get_xdata(), line.get_ydata())
        assert np.abs(dots.get_ydata() - expected).max() < 0.12


def test_both_losses_are_those_of_the_soft_label(rng, images):
    axes = gallery_figures.losses(rng, *images).axes[0]
    for line, dots in zip(axes.lines[:-1:2], axes.lines[1:-1:2], strict=True):
        np.testing.assert_allclose(line.get_ydata(), dots.get_ydata(), rtol=1e-5)
        np.testing.assert_allclose(np.diff(line.get_ydata(), 2), 0, atol=1e-5)


def test_labels_are_drawn_as_high_as_their_shares(rng, images):
    axes = gallery_figures.labels(rng, *images).axes
    heights = [[round(float(bar.get_height()), 2) for bar in each.patches] for each in axes[:5]]
    assert heights[0] == [0.8, 0, 0.8, 0, 0.2, 0.2]
    assert heights[1:] == [[0.8, 0.2, 1], [1, 1, 1], [1, 0, 1], [1, 0, 1]]


def test_padding_stays_alone_in_the_picture_of_rules(rng, images):
    drawn, alone, *_ = gallery_figures.mix_by_rule(rng, *images).axes
    grey = matplotlib.colors.to_rgba("#b4b9bf")

    def shares(axes, row):
        return [(bar.get_facecolor(), bar.get_width()) for bar in axes.patches[6 * row : 6 * row + 6]]

    for row in (4, 5):
        assert [colour for colour, width in shares(alone, row) if width > 0] == [grey]
    for row in range(4):
        kept = {colour for colour, width in shares(alone, row) if width > 0}
        assert grey not in kept
        assert matplotlib.colors.to_rgba(PALETTE[row]) in kept
    assert any(grey in {colour for colour, width in shares(drawn, row) if width > 0} for row in range(4))


def test_hidden_states_are_mixed_from_the_layer_on_and_framed(rng, images):
    bands = gallery_figures.mix_at(rng, *images).subfigs
    own = [np.asarray(axes.images[0].get_array()) for axes in bands[0].axes]
    for band, first in zip(bands[2:], (0, 2, 3), strict=True):
        for column, axes in enumerate(band.axes):
            same = np.array_equal(axes.images[0].get_array(), own[column])
            assert same == (column < first)
            assert axes.spines["left"].get_visible() == (column >= first)
