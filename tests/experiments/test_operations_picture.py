"""Laws of the picture of all operations of RandAugment."""

import numpy as np
import pytest

from experiments.gallery import operations
from experiments.gallery.images import photographs
from experiments.gallery.operations import LEVELS, grid, main, seen
from mixup_jax.augment.levels import BIG_VISION, TIMM, Operation


@pytest.mark.thorough
def test_every_operation_is_shown_at_every_level_of_each_form_that_has_it(tmp_path, monkeypatch):
    drawn = []

    def keep(image):
        drawn.append(grid(image))
        return drawn[-1]

    monkeypatch.setattr(operations, "grid", keep)
    main(out=tmp_path / "picture.png")
    assert len(drawn[0].axes) == len(TIMM) * len(LEVELS["timm"]) + len(BIG_VISION) * len(LEVELS["big_vision"])
    assert (tmp_path / "picture.png").stat().st_size < 600_000


def test_only_big_vision_cuts_out_and_level_0_of_timm_moves_nothing():
    image = photographs(32).image[0]
    assert seen(image, Operation.CUTOUT, "timm", 5) is None
    np.testing.assert_array_equal(seen(image, Operation.ROTATE, "timm", 0), image)
    assert (seen(image, Operation.CUTOUT, "big_vision", 5) == 128).all()
