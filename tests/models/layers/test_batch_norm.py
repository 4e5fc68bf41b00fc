"""Laws of BatchNorm: it is torch's, and its batch is the whole batch however that is spread out."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from mixup_jax.models.layers.batch_norm import BatchNorm, Over, moments

SHAPE = (16, 4, 4, 3)


@pytest.fixture
def x(rng):
    return 2.0 + 3.0 * jax.random.normal(rng, SHAPE)


@pytest.fixture
def variables(rng):
    """Parameters and running statistics that are not the initial ones."""
    keys = jax.random.split(rng, 4)
    draw = partial(jax.random.uniform, shape=SHAPE[-1:], minval=0.5, maxval=1.5)
    return {
        "params": {"scale": draw(keys[0]), "bias": draw(keys[1])},
        "batch_stats": {"mean": draw(keys[2]), "var": draw(keys[3])},
    }


@partial(jax.jit, static_argnames="norm")
def train(variables, x, norm=None):
    return (norm or BatchNorm()).apply(variables, x, train=True, mutable=["batch_stats"])


def assert_close(ours, theirs, tolerance=1e-5):
    jax.tree.map(partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance), ours, theirs)


def test_training_normalises_each_channel(x, variables):
    variables["params"] = {"scale": jnp.ones(3), "bias": jnp.zeros(3)}
    y, _ = train(variables, x)
    assert_close(y.mean((0, 1, 2)), jnp.zeros(3))
    assert_close(y.var((0, 1, 2)), jnp.ones(3))


def test_running_statistics_move_a_tenth_towards_mean_and_unbiased_variance(x, variables):
    _, updated = train(variables, x)
    old, pixels = variables["batch_stats"], np.asarray(x).reshape(-1, 3)
    assert_close(updated["batch_stats"]["mean"], 0.9 * old["mean"] + 0.1 * pixels.mean(axis=0))
    assert_close(updated["batch_stats"]["var"], 0.9 * old["var"] + 0.1 * pixels.var(axis=0, ddof=1))


def test_evaluation_uses_the_running_statistics_one_example_at_a_time(x, variables):
    alone = jnp.stack([BatchNorm().apply(variables, each[None], train=False)[0] for each in x])
    assert_close(BatchNorm().apply(variables, x, train=False), alone)


@pytest.mark.parametrize("seen", [0, 3])
def test_it_is_torchs(x, variables, seen):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = torch.nn.BatchNorm2d(3).double()
    with torch.no_grad():
        theirs.weight[:], theirs.bias[:] = (torch.tensor(np.asarray(variables["params"][k])) for k in ("scale", "bias"))
        theirs.running_mean[:], theirs.running_var[:] = (
            torch.tensor(np.asarray(variables["batch_stats"][k])) for k in ("mean", "var")
        )
    image = torch.tensor(np.asarray(x)).double().permute(0, 3, 1, 2).requires_grad_()
    weight = jax.random.normal(jax.random.key(1), SHAPE)

    for _ in range(seen):
        variables |= train(variables, x)[1]
        theirs(image)

    def loss_fn(params, x):
        y, updated = train(variables | {"params": params}, x)
        return (y * weight).sum(), (y, updated["batch_stats"])

    (grads, x_grad), (y, stats) = jax.grad(loss_fn, argnums=(0, 1), has_aux=True)(variables["params"], x)
    out = theirs(image)
    (out * torch.tensor(np.asarray(weight)).permute(0, 3, 1, 2)).sum().backward()
    assert_close(y, out.detach().permute(0, 2, 3, 1).numpy())
    assert_close(x_grad, image.grad.permute(0, 2, 3, 1).numpy(), 1e-4)
    assert_close(grads, {"scale": theirs.weight.grad.numpy(), "bias": theirs.bias.grad.numpy()}, 1e-4)
    assert_close(stats, {"mean": theirs.running_mean.numpy(), "var": theirs.running_var.numpy()})
    theirs.eval()
    ours = BatchNorm().apply(variables | {"batch_stats": stats}, x, train=False)
    assert_close(ours, theirs(image).detach().permute(0, 2, 3, 1).numpy())


@pytest.mark.thorough
def test_moments_and_their_gradients_do_not_depend_on_the_shift(x):
    def loss_fn(x, shift):
        mean, var = moments(x, shift)
        return (jnp.sin(mean) + jnp.sqrt(var)).sum(), (mean, var)

    gradient = jax.grad(loss_fn, has_aux=True)
    assert_close(gradient(x, jnp.zeros(3)), gradient(x, jnp.array([1.0, 2.0, 3.0])))
    assert not jax.grad(lambda shift: loss_fn(x, shift)[0])(jnp.ones(3)).any()


def test_a_large_mean_costs_no_digits_once_the_running_mean_is_near(x, variables):
    far = x + 1e3
    variables["batch_stats"]["mean"] = jnp.full(3, 1e3)
    exact = np.asarray(far, np.float64).var(axis=(0, 1, 2))
    assert_close(moments(far, variables["batch_stats"]["mean"])[1], exact)
    assert abs(moments(far, jnp.zeros(3))[1] / exact - 1).max() > 1e-4  # what the shift is there for


def test_a_constant_channel_stays_finite(variables):
    y, updated = train(variables, jnp.full(SHAPE, 7.3))
    assert jnp.isfinite(y).all()
    assert (updated["batch_stats"]["var"] >= 0).all()


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_sixteen_bits_go_through_float32(x, variables, dtype):
    y, updated = train(variables, x.astype(dtype))
    exact, exact_updated = train(variables, x.astype(dtype).astype(jnp.float32))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y, exact.astype(dtype))
    jax.tree.map(np.testing.assert_array_equal, updated, exact_updated)
    assert all(leaf.dtype == jnp.float32 for leaf in jax.tree.leaves(updated))


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["pmap", "shard_map", "vmap"])
def test_statistics_over_a_mapped_axis_are_those_of_the_whole_batch(x, variables, how):
    norm = BatchNorm(over=Over("data"))

    def loss_fn(variables, x):
        y, updated = train(variables, x, norm)
        return jnp.square(y - 0.3 * x).mean(), (y, updated)

    def step(variables, x):
        grads, (y, updated) = jax.grad(loss_fn, has_aux=True)(variables, x)
        return grads["params"], y, updated

    def local(variables, x):
        grads, y, updated = step(variables, x)
        return jax.lax.pmean(grads, "data"), y, updated

    parts = x.reshape(4, 4, *SHAPE[1:])
    if how == "shard_map":
        mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:4])
        spec = PartitionSpec("data")

        def averaged(variables, x):
            # The gradient of what every device holds alike is already summed over the devices here.
            grads, y, updated = step(variables, x)
            return jax.tree.map(lambda g: g / 4, grads), y, updated

        out_specs = (PartitionSpec(), spec, PartitionSpec())
        mapped = jax.shard_map(averaged, mesh=mesh, in_specs=(PartitionSpec(), spec), out_specs=out_specs)
        grads, y, updated = jax.jit(mapped)(variables, x)
    else:
        transform = jax.pmap if how == "pmap" else jax.vmap
        options = {"devices": jax.devices()[:4]} if how == "pmap" else {}
        grads, y, updated = transform(local, axis_name="data", in_axes=(None, 0), **options)(variables, parts)
        grads, updated = jax.tree.map(lambda leaf: leaf[0], (grads, updated))

    norm = BatchNorm()  # on all of the batch at once
    assert_close((grads, y.reshape(SHAPE), updated), step(variables, x))


def test_a_sharded_batch_is_one_batch_under_jit(x, variables):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    sharded = jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))
    assert_close(jax.jit(train)(variables, sharded), train(variables, x))


def test_each_seed_of_a_vmap_has_its_own_statistics(x, variables):
    both = jnp.stack([x, 5.0 - 2.0 * x])
    mapped = jax.vmap(train, in_axes=(None, 0))(variables, both)
    for i in range(2):
        assert_close(jax.tree.map(lambda leaf, i=i: leaf[i], mapped), train(variables, both[i]))


def test_initialising_leaves_the_running_statistics_alone(rng, x):
    stats = BatchNorm(over=Over("data")).init(rng, x, train=True)["batch_stats"]
    np.testing.assert_array_equal(stats["mean"], jnp.zeros(3))
    np.testing.assert_array_equal(stats["var"], jnp.ones(3))


def test_the_last_scale_of_a_block_may_start_at_zero(rng, x):
    norm = BatchNorm(scale_init=jax.nn.initializers.zeros)
    assert not train(norm.init(rng, x, train=False), x, norm)[0].any()


def with_gradient(variables, x, norm):
    """Return gradients by parameters and images of a function of the result, the result, and the new statistics."""

    def loss_fn(params, x):
        y, updated = train(variables | {"params": params}, x, norm)
        return jnp.sin(y + x).sum(), (y, updated["batch_stats"])

    (by_params, by_x), (y, stats) = jax.grad(loss_fn, argnums=(0, 1), has_aux=True)(variables["params"], x)
    return by_params, by_x, y, stats


def test_a_block_of_the_whole_batch_is_the_whole_batch(x, variables):
    assert_close(
        with_gradient(variables, x, BatchNorm(over=Over(block=16))), with_gradient(variables, x, BatchNorm()), 1e-4
    )


def test_each_block_is_a_batch_of_its_own_and_running_statistics_are_the_mean_of_theirs(x, variables):
    by_params, by_x, y, stats = with_gradient(variables, x, BatchNorm(over=Over(block=4)))
    alone = [with_gradient(variables, run, BatchNorm()) for run in x.reshape(4, 4, *SHAPE[1:])]
    assert_close(by_params, jax.tree.map(lambda *each: sum(each), *(each[0] for each in alone)), 1e-4)
    assert_close(by_x, jnp.concatenate([each[1] for each in alone]), 1e-4)
    assert_close(y, jnp.concatenate([each[2] for each in alone]))
    assert_close(stats, jax.tree.map(lambda *each: sum(each) / 4, *(each[3] for each in alone)))
    assert not np.allclose(y, train(variables, x)[0], atol=0.01)


@pytest.mark.parametrize("block", [2, 8])
def test_blocks_are_the_same_on_eight_devices_and_those_of_a_device_wait_for_no_other(x, variables, block):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(AxisType.Auto,))
    sharded = jax.device_put(x, NamedSharding(mesh, PartitionSpec("data")))
    norm = BatchNorm(over=Over(block=block))
    compiled = jax.jit(partial(with_gradient, norm=norm)).lower(variables, sharded).compile()
    assert_close(compiled(variables, sharded), with_gradient(variables, x, norm), 1e-4)
    forward = jax.jit(lambda variables, x: train(variables, x, norm)[0]).lower(variables, sharded).compile()
    assert ("all-reduce" in forward.as_text()) == (block > 2)


def test_blocks_within_the_devices_of_a_mapped_axis_are_those_of_the_whole_batch(x, variables):
    norm, parts = BatchNorm(over=Over("data", block=2)), x.reshape(4, 4, *SHAPE[1:])
    mapped = jax.pmap(partial(train, norm=norm), axis_name="data", in_axes=(None, 0), devices=jax.devices()[:4])
    y, updated = mapped(variables, parts)
    theirs = train(variables, x, BatchNorm(over=Over(block=2)))
    assert_close((y.reshape(SHAPE), jax.tree.map(lambda leaf: leaf[0], updated)), theirs)
    with pytest.raises(ValueError, match="norm_block must divide the 16 examples that BatchNorm sees, got 3"):
        train(variables, x, BatchNorm(over=Over(block=3)))


def test_evaluation_and_initialisation_take_no_notice_of_blocks(rng, x, variables):
    norm = BatchNorm(over=Over(block=32))
    np.testing.assert_array_equal(norm.apply(variables, x, train=False), BatchNorm().apply(variables, x, train=False))
    norm.init(rng, x[:1], train=True)


def test_one_value_per_channel_has_no_variance(variables):
    with pytest.raises(ValueError, match="one value per channel"):
        train(variables, jnp.ones((1, 1, 1, 3)))
