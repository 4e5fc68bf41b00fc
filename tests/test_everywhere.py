"""Every public function under every transformation, mesh and setting of JAX: the same bits, or rounding where it says.

One table of calls: a name that is public and missing here fails. Each call is a pure function of arrays, the first axis
the batch, which gives arrays.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import mixup_jax
from mixup_jax import Mix, draw, mix, mixed_cross_entropy, mixed_loss, mixed_sigmoid_cross_entropy
from mixup_jax import methods as m
from mixup_jax.methods import table

SIZE, CLASSES = 8, 3
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(SIZE, 6, 5, 1)).astype(np.float32)
Y = RANDOM.dirichlet(np.ones(CLASSES), SIZE).astype(np.float32)
IDS = np.array([0, 1, 2, 0, 1, 2, 0, 1], np.int32)
LAM = np.float32([0, 0.25, 0.5, 0.7, 0.9, 1, 0.3, 0.6])
PARTNER = np.array([1, 0, 3, 2, 5, 4, 7, 6], np.int32)
PER = {"per": "example", "block": 2}


class Model(nn.Module):
    """A layer that has a name."""

    @nn.compact
    def __call__(self, x):
        return nn.Dropout(0.0, deterministic=True, name="layer")(x)


def plan(lam=LAM, mask=None, block=2):
    return Mix(jnp.asarray(lam), jnp.asarray(PARTNER), block, mask)


def boxes(lam=LAM):
    return plan(lam, jnp.asarray(np.arange(6)[None, :, None] >= np.zeros((SIZE, 6, 5), int) + 2))


def at_random(rng, x):
    with m.mix_at_random(rng, plan(), ["input", "layer"]) as chosen:
        return Model().apply({}, x), chosen


def mixed_inside(rng, x):
    with m.mix_at(plan(), "layer"):
        return Model().apply({}, x)


def by_rule(rng, x, y, ids):
    return m.mix_by_rule(plan(), (x, y, ids), ("mix", "union", "partner"))


def squared(label):
    return jnp.sum(label.astype(jnp.float32) ** 2, axis=1)


def recipe(rng, x, ids):
    numbers = {"mixup_alpha": 0.7, "cutmix_alpha": 0.7, "probability": 0.9, "until": 2, "step": jnp.min(ids)}
    return m.mixup_cutmix(rng, x, ids, classes=CLASSES, **numbers, **PER)


def resized(rng, x, y):
    return m.paste_resized(m.draw_resizemix(rng, (len(x), *x.shape[1:3]), **PER), (x, y))


CALLS = {  # name: (call, its arguments)
    **{
        name: (partial(lambda row, *batch: row.apply(*batch, 0.7), row), "rng x y")
        for name, row in table.METHODS.items()
    },
    "Mix": (lambda x: mix(jax.jit(lambda plan: plan)(boxes()), x), "x"),
    "draw": (lambda rng: draw(rng, SIZE, 0.7, **PER), "rng"),
    "mix": (lambda x, y: mix(plan(), (x, y)), "x y"),
    "mixed_cross_entropy": (lambda y, ids: mixed_cross_entropy(y, ids, plan()), "y ids"),
    "mixed_sigmoid_cross_entropy": (lambda y, ids: mixed_sigmoid_cross_entropy(y, ids, plan()), "y ids"),
    "mixed_loss": (lambda y: mixed_loss(squared, y, plan()), "y"),
    "by_label_distance": (lambda rng, y: m.by_label_distance(rng, y, 0.5), "rng y"),
    "choose": (lambda rng: m.choose(rng, [plan(), boxes()], [0.4, 0.4], per="example"), "rng"),
    "different_class": (m.different_class, "rng ids"),
    "draw_cutmix": (lambda rng: m.draw_cutmix(rng, (SIZE, 6, 5), 0.7, minmax=(0.2, 0.9), **PER), "rng"),
    "draw_dirichlet": (lambda rng: m.draw_dirichlet(rng, SIZE, 0.7, **PER), "rng"),
    "draw_fmix": (lambda rng: m.draw_fmix(rng, (SIZE, 6, 5), 0.7, **PER), "rng"),
    "draw_gridmix": (lambda rng: m.draw_gridmix(rng, (SIZE, 6, 5), 0.7, period=3, **PER), "rng"),
    "draw_resizemix": (lambda rng: m.draw_resizemix(rng, (SIZE, 6, 5), **PER), "rng"),
    "draw_saliencymix": (lambda rng, x: m.draw_saliencymix(rng, x[..., 0], 0.7, **PER), "rng x"),
    "larger": (lambda y, ids: (m.larger(plan(), y), m.larger(plan(), ids)), "y ids"),
    "leave_padding": (lambda ids: m.leave_padding(boxes(), ids > 0), "ids"),
    "mix_all": (lambda x: m.mix_all([plan(), plan(LAM[::-1].copy())], x), "x"),
    "mix_at": (mixed_inside, "rng x"),
    "mix_at_random": (at_random, "rng x"),
    "mix_by_rule": (by_rule, "rng x y ids"),
    "mixup_cutmix": (recipe, "rng x ids"),
    "neighbour_table": (lambda x: m.neighbour_table(x, 2), "x"),
    "neighbours": (lambda rng, ids: m.neighbours(rng, np.arange(6).reshape(3, 2), ids), "rng ids"),
    "optimal_partners": (lambda rng, x: m.optimal_partners(rng, x, 2), "rng x"),
    "paste_resized": (resized, "rng x y"),
    "phase_out": (lambda ids: m.phase_out(jnp.max(ids), 3), "ids"),
    "regmixup": (lambda rng, x, y: m.regmixup(rng, x, y), "rng x y"),
    "same_class": (m.same_class, "rng ids"),
    "static_saliency": (lambda x: m.static_saliency(x), "x"),
    "threshold": (lambda y: m.threshold(plan(), y, 0.3), "y"),
    "union": (lambda y: m.union(plan(), y), "y"),
}
ARRAYS = {"x": X, "y": Y, "ids": IDS}
pytestmark = pytest.mark.usefixtures("quick_lambdas")


VALUES = {"rng": jax.random.key(3), **{name: jnp.asarray(each) for name, each in (("x", X), ("y", Y), ("ids", IDS))}}


def every(values):
    """Call all functions of the table: one program, and so one compilation."""
    results = {}
    for name, (call, names) in CALLS.items():
        try:
            results[name] = call(*(values[each] for each in names.split()))
        except Exception as error:
            error.add_note(f"in the call of {name}")
            raise
    return results


def pairs(results, expected):
    """Yield the name of each call with each of its arrays, here and there."""
    for name in CALLS:
        for a, b in zip(jax.tree.leaves(results[name]), jax.tree.leaves(expected[name]), strict=True):
            yield name, a, b


def same(results, expected, exact=True):
    """Compare dtypes and bits of each call, or numbers to rounding."""
    for name, a, b in pairs(results, expected):
        assert a.dtype == b.dtype, name
        atol = 0 if exact or not jnp.issubdtype(a.dtype, jnp.floating) else 3e-6
        np.testing.assert_allclose(a, b, rtol=0, atol=atol, err_msg=name)


@pytest.mark.thorough
def test_every_public_function_is_in_the_table():
    assert set(CALLS) == {*mixup_jax.__all__, *m.__all__} - {"load"}  # which reads files


def one_lane(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[1], tree)


def twice(tree):
    return jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), tree)


def spread(values, axis_type, devices):
    """Return arrays divided along their first axis, and the mesh."""
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(axis_type,), devices=jax.devices()[:devices])
    place = partial(jax.device_put, device=NamedSharding(mesh, P("data")))
    return {name: place(each) if jnp.ndim(each) else each for name, each in values.items()}, mesh


def in_a_shard_map(axis_type):
    """Give each of two devices a batch of its own."""
    values, mesh = spread(twice(VALUES), axis_type, 2)

    def one(shards):
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], every(jax.tree.map(lambda leaf: leaf[0], shards)))

    return jax.shard_map(one, mesh=mesh, in_specs=P("data"), out_specs=P("data")), values, one_lane


def on_a_mesh(axis_type, devices):
    return every, spread(VALUES, axis_type, devices)[0], None


def scan(values):
    return jax.lax.scan(lambda _, each: (None, every(each)), None, values)[1]


WHERE = {  # a function of values, the values, and what makes one batch's results of its results (None: the same bits)
    "old keys": lambda: (every, {**VALUES, "rng": jax.random.PRNGKey(3)}, None),
    "vmap": lambda: (jax.vmap(every), twice(VALUES), one_lane),
    "scan": lambda: (scan, twice(VALUES), one_lane),
    "pmap": lambda: (jax.pmap(every, devices=jax.devices()[:2]), twice(VALUES), one_lane),
    "shard_map": lambda: in_a_shard_map(AxisType.Auto),
    "shard_map, Explicit": lambda: in_a_shard_map(AxisType.Explicit),
    "1 device, Explicit": lambda: on_a_mesh(AxisType.Explicit, 1),
    "4 devices, Auto": lambda: on_a_mesh(AxisType.Auto, 4),  # a block of two on each, and half of one on each of 8
    "8 devices, Auto": lambda: on_a_mesh(AxisType.Auto, 8),
    "8 devices, Explicit": lambda: on_a_mesh(AxisType.Explicit, 8),
    "8 devices, set_mesh": lambda: on_a_mesh(AxisType.Explicit, 8),  # what is drawn lies on the mesh as well
    "64 bits": lambda: (every, VALUES, None),
}


def settings_of(where):
    if where == "8 devices, set_mesh":
        return jax.set_mesh(jax.make_mesh((8,), ("data",), axis_types=(AxisType.Explicit,)))
    return jax.enable_x64(where == "64 bits")


@pytest.mark.thorough
@pytest.mark.parametrize("where", WHERE)
def test_every_function_is_traced_everywhere_to_the_same_shapes_and_dtypes(where):
    expected = jax.tree.leaves(jax.eval_shape(every, VALUES))
    function, values, lane = WHERE[where]()
    with settings_of(where):
        results = jax.tree.leaves(jax.eval_shape(jax.jit(function), values))
    shapes = [(leaf.shape[lane is not None :], leaf.dtype) for leaf in results]
    assert shapes == [(leaf.shape, leaf.dtype) for leaf in expected]


@pytest.mark.slow
@pytest.mark.parametrize("where", WHERE)
def test_every_function_gives_the_same_everywhere(where):
    expected = jax.jit(every)(VALUES)
    function, values, lane = WHERE[where]()
    with settings_of(where), jax.debug_nans(True):
        results = jax.jit(function)(values)
    same(lane(results) if lane else results, expected, exact=lane is None)


@pytest.mark.slow
def test_every_function_gives_the_same_without_jit():
    same(every(VALUES), jax.jit(every)(VALUES), exact=False)


NARROW = (jnp.float16, jnp.bfloat16, jnp.float8_e4m3fn)


def narrowed(dtype):
    return {name: each.astype(dtype) if name in ("x", "y") else each for name, each in VALUES.items()}


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", NARROW)
def test_every_function_takes_narrow_numbers_and_gives_them_or_wider_ones(dtype):
    expected, found = jax.eval_shape(every, VALUES), jax.eval_shape(every, narrowed(dtype))
    for name, a, b in pairs(found, expected):
        assert a.shape == b.shape, name
        assert a.dtype in (dtype, b.dtype), name


@pytest.mark.slow
@pytest.mark.parametrize("dtype", NARROW)
def test_narrow_numbers_are_mixed_as_they_are_but_for_their_rounding(dtype):
    wide = {name: each.astype(jnp.float32) if name in ("x", "y") else each for name, each in narrowed(dtype).items()}
    found, expected = jax.jit(every)(narrowed(dtype)), jax.jit(every)(wide)
    rounding = float(jnp.finfo(dtype).eps)
    for name, a, b in pairs(found, expected):
        if jnp.issubdtype(a.dtype, jnp.floating):
            np.testing.assert_allclose(np.asarray(a, np.float32), b, rtol=rounding, atol=rounding, err_msg=name)
        else:
            np.testing.assert_array_equal(a, b, err_msg=name)


def total(values):
    leaves = [leaf for leaf in jax.tree.leaves(every(values)) if jnp.issubdtype(leaf.dtype, jnp.floating)]
    return sum(leaf.astype(jnp.float32).sum() for leaf in leaves)


def derivatives(values):
    rest = {name: each for name, each in values.items() if name not in ("x", "y")}
    return jax.grad(lambda parts: total(parts | rest))({name: values[name] for name in ("x", "y")})


def test_every_function_can_be_differentiated():
    found = jax.eval_shape(derivatives, VALUES)
    assert {name: each.shape for name, each in found.items()} == {"x": X.shape, "y": Y.shape}


@pytest.mark.slow
def test_no_derivative_is_nan():
    with jax.debug_nans(True):
        found = jax.jit(derivatives)(VALUES)
    assert all(np.isfinite(each).all() and np.abs(each).sum() > 0 for each in found.values())
