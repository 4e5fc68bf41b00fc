"""Laws of the compiled programs: neither chunks, nor devices, nor company change what a seed computes."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from batches import batch_indices
from tiny_runs import BATCH, DATA, MLP, PREACT, TRAIN, Run, assert_equal, changed, on_host

from mixup_jax.runtime.devices.mesh import make_mesh, place, shard
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.train_step import mixed_batch, train_step
from mixup_jax.training.programs import order_key, place_batches, repeat_indices

DEVICES = (1, 2, 4, 8)


@pytest.fixture(scope="module")
def runs():
    """The programs of one PreAct net on 1, 2, 4 and 8 devices."""
    return {devices: Run(changed(PREACT, ema=0.9), devices) for devices in DEVICES}


@pytest.mark.thorough
def test_the_length_of_a_call_changes_no_bit(runs):
    results = []
    for counts in ((6,), (2, 4), (1, 5)):
        carry = runs[8].start()
        for count in counts:
            carry = runs[8].train(carry, count)
        results.append(carry)
    assert_equal(results[0], results[1])
    assert_equal(results[0], results[2])
    assert int(results[0][0].step[0]) == 6


@pytest.mark.thorough
def test_nothing_compiles_after_the_first_call(runs, caplog):
    run = runs[8]
    test = place_batches(run.mesh, DATA.test_image, DATA.test_label, BATCH)
    carry = run.train(run.start(), 1)
    run.programs.evaluate(carry[0], test)
    with jax.log_compiles():
        for count, alpha in ((1, 1.0), (2, 0.0), (3, 0.3), (1, 8.0)):
            carry = run.train(carry, count, alpha)
        restarted = run.train(run.start(), 2)
        for state in (carry[0], restarted[0], run.start()[0]):
            run.programs.evaluate(state, test)
    compiled = [record.getMessage() for record in caplog.records if "Compiling" in record.getMessage()]
    assert not [message for message in compiled if "train" in message or "evaluate" in message]


@pytest.mark.thorough
def test_losses_are_the_same_on_1_2_4_and_8_devices(runs):
    curves = []
    for run in runs.values():
        carry, curve = run.start(), []
        for _ in range(10):
            carry = run.train(carry, 1)
            curve.append(np.asarray(carry[1].loss))  # a running sum, so that no step is forgotten
        curves.append(curve)
    for curve in curves[1:]:
        np.testing.assert_allclose(curve, curves[0], atol=1e-4)


@pytest.mark.thorough
def test_the_evaluation_is_exact_on_any_devices(runs):
    measured = []
    for devices, run in runs.items():
        for batch_size in (BATCH, 8) if devices == 8 else (BATCH,):
            batches = place_batches(run.mesh, DATA.test_image, DATA.test_label, batch_size)
            measured.append(on_host(run.programs.evaluate(run.start()[0], batches)))
    for sums in measured:
        assert sums["['count']"] == len(DATA.test_label)
        for name, value in sums.items():
            exact = any(word in name for word in ("count", "errors", "bin_correct"))
            np.testing.assert_allclose(value, measured[0][name], rtol=0 if exact else 1e-5, err_msg=name)


MIXINGS = [
    ({}, DEVICES),
    ({"per": "example", "partner": "derangement", "block": 2}, (1, 8)),
    ({"method": "switch", "per": "example", "probability": 0.8, "partner": "same_class", "noise": 0.1}, (1, 8)),
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(("fields", "topologies"), MIXINGS)
def test_mixed_batches_are_bit_equal_on_any_devices(fields, topologies):
    recipe = make_recipe(changed(PREACT, **fields), DATA)
    rng = jax.random.key(3)

    def draw_batch(step, image, label, sharding):
        index = batch_indices(order_key(rng), step, BATCH, TRAIN)
        batch = jax.lax.with_sharding_constraint({"image": image[index], "label": label[index]}, sharding)
        return mixed_batch(jax.random.fold_in(rng, step), batch, 1.0, step, recipe)

    batches = []
    for devices in topologies:
        mesh = make_mesh(1, BATCH, jax.devices()[:devices])
        examples = [place(array, shard(mesh)) for array in (DATA.train_image, DATA.train_label)]
        program = jax.jit(partial(draw_batch, sharding=shard(mesh, "data")))
        batches.append([program(jnp.int32(step), *examples) for step in (0, 2, 5)])
    for other in batches[1:]:
        assert_equal(batches[0], other)


@pytest.mark.thorough
@pytest.mark.parametrize("devices", [1, 8])
def test_repeats_train_on_the_images_of_a_smaller_batch_laid_out_several_times(devices):
    run = Run(changed(MLP, repeats=2), devices)
    state, totals = run.start()
    step = jax.jit(partial(train_step, recipe=run.run.recipe))
    expected = jax.tree.map(lambda leaf: leaf[0], state)
    for at in range(8):  # the images' second epoch begins after six steps
        index = repeat_indices(batch_indices(order_key(expected.rng), at, BATCH // 2, TRAIN), 2)
        batch = {"image": jnp.asarray(DATA.train_image)[index], "label": jnp.asarray(DATA.train_label)[index]}
        expected, _ = step(expected, batch, jnp.float32(1.0))
    carry = (state, totals)
    for count in (3, 3, 2):
        carry = run.train(carry, count)
    trained, expected = on_host(carry[0]), on_host(expected)
    for path, leaf in trained.items():
        np.testing.assert_allclose(leaf[0], expected[path], rtol=1e-4, atol=1e-5, err_msg=path)


@pytest.mark.thorough
@pytest.mark.parametrize("seeds", [3, 4])  # one after the other, and side by side
def test_seed_i_of_many_is_seed_i_alone(seeds):
    together = Run(changed(MLP, seeds=seeds, seed=5), 8)
    carry = together.start()
    first = on_host(carry[0])
    carry = on_host(together.train(carry, 6))
    alone = Run(changed(MLP, seed=7), 2)
    start = alone.start()
    for path, leaf in on_host(start[0]).items():
        np.testing.assert_array_equal(leaf[0], first[path][2], err_msg=path)
    for path, leaf in on_host(alone.train(start, 6)).items():
        np.testing.assert_allclose(leaf[0], carry[path][2], rtol=1e-5, atol=1e-5, err_msg=path)


@pytest.mark.thorough
def test_seeds_differ_from_each_other_in_everything():
    run = Run(changed(MLP, seeds=4), 8)
    state, totals = run.train(run.start(), 1)
    assert len(set(np.asarray(totals.loss).tolist())) == 4
    kernel = np.asarray(state.params["hidden1"]["kernel"])
    assert len({seed.tobytes() for seed in kernel}) == 4
    orders = {np.asarray(batch_indices(order_key(rng), 0, BATCH, TRAIN)).tobytes() for rng in state.rng}
    assert len(orders) == 4


@pytest.mark.parametrize(
    ("seeds", "devices", "axes"), [(1, 8, (1, 8)), (3, 8, (1, 8)), (4, 8, (4, 2)), (8, 4, (4, 1)), (6, 4, (2, 2))]
)
def test_the_mesh_gives_devices_to_seeds_first(seeds, devices, axes):
    assert make_mesh(seeds, 64, jax.devices()[:devices]).devices.shape == axes


def test_a_batch_that_the_devices_cannot_share_is_refused():
    with pytest.raises(ValueError, match=r"batch_size 12 cannot be split over 8 devices: .*multiple of 8"):
        make_mesh(1, 12)
