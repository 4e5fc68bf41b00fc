"""In the compiled step every operation is the host's, and an example's bits depend on its key alone."""

from dataclasses import replace
from functools import partial

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from mixup_jax.augment import in_step, on_host
from mixup_jax.augment.drawn import WORDS, stages_of
from mixup_jax.augment.levels import BIG_VISION, BLENDS, GEOMETRIC, TIMM, Operation
from mixup_jax.augment.tables import _count_by_product, _count_each
from mixup_jax.choices.augment import BigVisionRandAugment, NoAugment, RandAugment, ThreeAugment

MEAN = (0.485, 0.456, 0.406)
FORMS = {
    "timm": (RandAugment(), 0.0),
    "big_vision": (BigVisionRandAugment(magnitude=15), 0.0),
    "three": (ThreeAugment(), 0.3),
}


def pictures(count, height, width, channels=3):
    generator = np.random.default_rng(count)
    coarse = generator.integers(10, 240, (count, 7, 9, channels), dtype=np.uint8)
    large = [cv2.resize(each, (width, height), interpolation=cv2.INTER_CUBIC) for each in coarse]
    image = np.reshape(large, (count, height, width, channels))
    return (image + generator.integers(-6, 7, image.shape)).clip(0, 255).astype(np.uint8)


def apply_each(image, stage):
    """Return the image after every operation of a stage at every level and sign, in the step and on the host."""
    table = in_step.integer_arguments(stage)
    cells = [(index, level, sign) for index, level, sign in np.ndindex(stage.arguments.shape)]
    words = np.array([11, 2**31 + 9], np.uint32)
    place = jnp.asarray((words % np.array(image.shape[:2], np.uint32)).astype(np.int32))
    codes = jnp.array([stage.operations[index].value for index, _, _ in cells], jnp.int32)
    arguments = jnp.asarray(np.array([table[cell] for cell in cells]))
    value = jnp.asarray(image.astype(np.int32))
    apply = jax.jit(jax.vmap(lambda code, argument: in_step.apply(value, stage, code, argument, place)))
    for cell, ours in zip(cells, np.asarray(apply(codes, arguments)), strict=True):
        operation, argument = stage.operations[cell[0]], float(stage.arguments[cell])
        yield operation, argument, ours, on_host.apply(image, operation, argument, stage, words).astype(int)


def assert_as_on_the_host(operation, argument, ours, theirs, nearest=False):
    """Assert equality to the tolerance that docs/augmentation.md states."""
    difference, where = abs(ours - theirs), f"{operation.name} {argument}"
    if operation in GEOMETRIC:  # a place half-way between two pixels, or on the edge, may be on either side
        beyond, share = (0, 0.05) if nearest else (2, 0.005)
        assert (difference.max(axis=2) > beyond).mean() < share, where
    elif operation == Operation.BLUR:
        assert difference.max() <= 2, where
    elif operation not in BLENDS | {Operation.AUTO_CONTRAST}:
        assert difference.max() == 0, where
    else:
        assert difference.max() <= 1, where
        assert (difference > 0).mean() < 0.05, where  # one or two values of a table of 256


@pytest.mark.thorough
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("form", ["timm", "big_vision", "three", "jitter"])
def test_every_operation_at_every_level_is_that_of_the_host(form, channels):
    [image] = pictures(1, 30, 36, channels)
    mean, size = MEAN[:channels], image.shape[:2]
    if form == "timm":
        several = [stages_of(RandAugment(magnitude=level, magnitude_std=0.0), 0.0, size, mean) for level in range(11)]
        stages = [stage for [stage] in several]
    elif form == "big_vision":
        several = [stages_of(BigVisionRandAugment(magnitude=level), 0.0, size, mean) for level in (0, 1, 5, 10, 15, 20)]
        stages = [stage for [stage] in several]
    else:
        stages = list(stages_of(*((ThreeAugment(), 0.0) if form == "three" else (NoAugment(), 0.4)), size, mean))
        stages = [replace(stage, arguments=stage.arguments[:, ::32]) for stage in stages]
    arguments = np.concatenate([stage.arguments for stage in stages], axis=1)  # one compilation for all levels
    for operation, argument, ours, theirs in apply_each(image, replace(stages[0], arguments=arguments)):
        assert_as_on_the_host(operation, argument, ours, theirs, nearest=stages[0].big_vision)


@pytest.mark.thorough
def test_an_image_of_one_value_is_as_on_the_host():
    image = np.broadcast_to(np.array([0, 7, 255], np.uint8), (8, 8, 3)).copy()
    for augment in (RandAugment(magnitude_std=0.0), BigVisionRandAugment()):
        [stage] = stages_of(augment, 0.0, image.shape[:2], MEAN)
        for operation, argument, ours, theirs in apply_each(image, stage):
            assert_as_on_the_host(operation, argument, ours, theirs, nearest=stage.big_vision)


def test_the_two_ways_to_count_values_agree(rng):
    flat = jax.random.randint(rng, (900, 3), 0, 256) // 2
    np.testing.assert_array_equal(_count_each(flat), _count_by_product(flat))


@pytest.mark.thorough
def test_the_same_words_are_the_same_augmentation_on_host_and_device():
    image = pictures(24, 32, 32)
    for augment, jitter in FORMS.values():
        stages = stages_of(augment, jitter, (32, 32), MEAN)
        for stage in stages:
            words = np.random.default_rng(1).integers(0, 2**32, (len(image), stage.count, WORDS), np.uint32)
            ours = jax.jit(jax.vmap(partial(in_step.apply_stage, stage=stage)))(
                jnp.asarray(image, jnp.int32), words=jnp.asarray(words)
            )
            for each, words_of_one, mine in zip(image, words, np.asarray(ours), strict=True):
                drawn = SameWords(words_of_one)
                theirs = on_host.augment_on_host(drawn, each, [stage])
                assert np.median(abs(mine - theirs.astype(int))) <= 1


class SameWords(np.random.Generator):
    """A generator that gives the words it was made with."""

    def __init__(self, words):
        super().__init__(np.random.PCG64(0))
        self.words = words

    def integers(self, low, high, size, dtype):
        assert size == self.words.shape
        return self.words


@pytest.fixture(scope="module")
def batch():
    return jnp.asarray(pictures(16, 12, 10))


@pytest.fixture(scope="module", params=FORMS)
def augment(request):
    stages = stages_of(*FORMS[request.param], (12, 10), MEAN)
    return partial(in_step.augment_in_step, stages=stages)


@pytest.mark.thorough
def test_an_example_does_not_depend_on_the_others(rng, batch, augment):
    compiled = jax.jit(augment)
    whole = compiled(rng, batch)
    assert whole.dtype == jnp.uint8
    assert (whole != batch).any()
    positions = jnp.array([14, 3, 7])
    np.testing.assert_array_equal(whole[positions], compiled(rng, batch[positions], positions=positions))


@pytest.mark.thorough
def test_jit_is_eager(rng, batch, augment):
    np.testing.assert_array_equal(jax.jit(augment)(rng, batch), augment(rng, batch))


@pytest.mark.thorough
def test_seed_i_of_a_vmap_is_seed_i_alone(rng, batch, augment):
    keys = jax.random.split(rng, 2)
    many = jax.jit(jax.vmap(augment, (0, None)))(keys, batch)
    for key, one in zip(keys, many, strict=True):
        np.testing.assert_array_equal(one, jax.jit(augment)(key, batch))


@pytest.mark.thorough
def test_eight_devices_see_the_batch_of_one_and_send_no_image(rng, batch, augment):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    split, whole = NamedSharding(mesh, PartitionSpec("data")), NamedSharding(mesh, PartitionSpec())
    function = jax.jit(augment, in_shardings=(whole, split), out_shardings=split)
    np.testing.assert_array_equal(function(rng, batch), jax.jit(augment)(rng, batch))
    text = function.lower(rng, batch).compile().as_text()
    assert not any(each in text for each in ("all-gather(", "all-to-all(", "collective-permute(", "all-reduce("))


def test_errors_say_what_is_needed(rng):
    stages = stages_of(RandAugment(), 0.0, (4, 4), MEAN)
    with pytest.raises(TypeError, match="image is float32; augment_in_step needs uint8"):
        in_step.augment_in_step(rng, jnp.zeros((2, 4, 4, 3)), stages)
    with pytest.raises(ValueError, match="image has 4 x 2049 pixels; sides must be at most 2048"):
        in_step.augment_in_step(rng, jnp.zeros((1, 4, 2049, 3), jnp.uint8), stages)


def test_both_sets_hold_the_operations_of_their_source():
    assert len(TIMM) == 15
    assert set(BIG_VISION) == {*TIMM, Operation.CUTOUT}
