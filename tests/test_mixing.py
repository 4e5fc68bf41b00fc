"""Laws of the mixing plan, the mixing and the two-label loss."""

from functools import partial

import jax
import jax.export
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P
from scipy import stats

from mixup_jax import Mix, draw, mix, mixed_cross_entropy, mixed_loss, mixup
from mixup_jax.methods import union
from mixup_jax.mixing import PARTNERS

OPTIONS = [(per, partner, block) for per in ("batch", "example") for partner in PARTNERS for block in (None, 4)]
OPTIONS += [("block", "permutation", 4)]


@pytest.fixture
def batch(rng):
    """A batch of 16 small images with one-hot labels of 5 classes."""
    rng_x, rng_y = jax.random.split(rng)
    return jax.random.normal(rng_x, (16, 6, 6, 3)), jax.nn.one_hot(jax.random.randint(rng_y, (16,), 0, 5), 5)


@pytest.mark.parametrize(("per", "partner", "block"), OPTIONS)
def test_a_plan_replays_the_batch(rng, batch, per, partner, block):
    options = {"per": per, "partner": partner, "block": block}
    replayed = mix(draw(rng, 16, 0.4, **options), batch)
    for a, b in zip(replayed, mixup(rng, *batch, 0.4, **options), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("per", "partner", "block"), OPTIONS)
def test_mix_is_the_formula_of_the_paper_in_float64(rng, batch, per, partner, block):
    plan = draw(rng, 16, 1.0, per=per, partner=partner, block=block)
    for leaf, mixed in zip(batch, mix(plan, batch), strict=True):
        exact = np.asarray(leaf, np.float64)
        lam = np.asarray(plan.lam, np.float64).reshape(-1, *[1] * (leaf.ndim - 1))
        expected = lam * exact + (1 - lam) * exact[np.asarray(plan.partner)]
        np.testing.assert_allclose(mixed, expected, rtol=3e-7, atol=3e-7)


def test_lambda_one_is_the_identity_and_lambda_zero_the_partner(rng, batch):
    plan = draw(rng, 16, 1.0)
    x, _ = batch
    np.testing.assert_array_equal(mix(Mix(jnp.ones(16), plan.partner), x), x)
    np.testing.assert_array_equal(mix(Mix(jnp.zeros(16), plan.partner), x), x[plan.partner])


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_partner_of_no_weight_has_no_part_in_the_mixture_whatever_it_holds(value):
    x = jnp.array([[1.0], [value]])
    np.testing.assert_array_equal(mix(Mix(jnp.array([1.0, 1.0]), jnp.array([1, 0])), x), x)


def test_partners_come_from_another_batch_of_any_length(rng, batch):
    x, _ = batch
    plan = draw(rng, 16, 1.0, per="example", partner=jnp.arange(16) % 5)
    expected = mix(Mix(plan.lam, jnp.arange(16)), x, x[:5][plan.partner])
    np.testing.assert_array_equal(mix(plan, x, x[:5]), expected)


@pytest.mark.parametrize("partner", PARTNERS)
def test_swapping_lambda_and_partner_changes_nothing(rng, batch, partner):
    x, _ = batch
    plan = draw(rng, 16, 1.0, partner=partner)
    swapped = 1 - plan.lam.reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(mix(plan, x), (1 - swapped) * x + swapped * x[plan.partner], atol=1e-6)
    inverse = Mix(1 - plan.lam, jnp.argsort(plan.partner))
    np.testing.assert_allclose(mix(plan, x)[jnp.argsort(plan.partner)], mix(inverse, x), atol=1e-6)


@pytest.mark.parametrize(("per", "partner", "block"), OPTIONS)
def test_labels_keep_their_mass_and_images_stay_between_their_parents(rng, batch, per, partner, block):
    plan = draw(rng, 16, 0.5, per=per, partner=partner, block=block)
    x, y = mix(plan, batch)
    np.testing.assert_allclose(y.sum(axis=1), 1, atol=1e-6)
    parents = jnp.stack([batch[0], batch[0][plan.partner]])
    assert bool(jnp.all((x >= parents.min(axis=0) - 1e-6) & (x <= parents.max(axis=0) + 1e-6)))


@pytest.mark.parametrize("options", [{}, {"per": "example"}, {"block": 8}])
def test_alpha_zero_is_erm_for_a_number_and_for_a_traced_alpha(rng, batch, options):
    traced = jax.jit(lambda alpha: mixup(rng, *batch, alpha, **options))(0.0)
    for result in (mixup(rng, *batch, 0, **options), traced):
        for mixed, leaf in zip(result, batch, strict=True):
            np.testing.assert_array_equal(mixed, leaf)


def test_every_policy_pairs_as_its_name_says(rng):
    rows = np.arange(12)
    for block in (None, 4):
        start = 0 if block is None else rows // block * block
        size = block or 12
        partners = {name: np.asarray(draw(rng, 12, 1.0, partner=name, block=block).partner) for name in PARTNERS}
        for partner in partners.values():
            np.testing.assert_array_equal(np.sort(partner), rows)
            np.testing.assert_array_equal(partner - partner % size, rows - rows % size)
        np.testing.assert_array_equal(partners["roll"], start + (rows - start - 1) % size)
        np.testing.assert_array_equal(partners["flip"], start + size - 1 - (rows - start))
    keys = jax.random.split(rng, 200)
    derangements = jax.vmap(lambda key: draw(key, 8, 1.0, partner="derangement", block=2).partner)(keys)
    assert not bool(jnp.any(derangements == jnp.arange(8)[None]))


@pytest.mark.parametrize("partner", ["permutation", "derangement"])
@pytest.mark.parametrize("block", [None, 5])
def test_pairs_are_uniform(rng, partner, block):
    size, draws = (block or 5), 4000
    keys = jax.random.split(rng, draws)
    plans = jax.vmap(lambda key: draw(key, 10 if block else 5, 1.0, partner=partner, block=block).partner)(keys)
    counts = np.stack([np.bincount(np.asarray(plans)[:, i], minlength=size) for i in range(size)])
    allowed = ~np.eye(size, dtype=bool) if partner == "derangement" else np.ones((size, size), bool)
    assert not counts[~allowed].any()
    for i in range(size):
        assert stats.chisquare(counts[i][allowed[i]]).pvalue > 1e-4


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.2, 1.0, 8.0, 32.0])
def test_lambda_follows_beta(rng, alpha):
    lam = np.asarray(draw(rng, 20_000, alpha, per="example").lam, np.float64)
    assert lam.min() >= 0
    assert lam.max() <= 1
    inside = np.linspace(0.02, 0.98, 25)  # float32 cannot tell numbers next to 1 from 1, so compare cells, not points
    cells = np.concatenate([[0], inside, [1]])
    observed = np.histogram(lam, cells)[0]
    expected = np.diff(stats.beta(alpha, alpha).cdf(cells)) * len(lam)
    likely = expected > 5
    pooled = [np.append(counts[likely], counts[~likely].sum()) for counts in (observed, expected)]
    pooled = [counts[pooled[1] > 0] for counts in pooled]
    assert stats.chisquare(*pooled).pvalue > 1e-4


def test_one_lambda_a_batch_or_one_an_example(rng):
    assert len(np.unique(draw(rng, 64, 1.0).lam)) == 1
    assert len(np.unique(draw(rng, 64, 1.0, block=8).lam)) == 1
    assert len(np.unique(draw(rng, 64, 1.0, per="example").lam)) == 64


def test_one_lambda_a_block_is_beta_and_the_same_within_it(rng):
    lam = np.asarray(draw(rng, 20_000, 0.4, per="block", block=4).lam).reshape(-1, 4)
    assert (lam == lam[:, :1]).all()
    assert stats.kstest(lam[:, 0], stats.beta(0.4, 0.4).cdf).pvalue > 1e-4
    pairs = np.corrcoef(lam[:-1, 0], lam[1:, 0])[0, 1]
    assert abs(pairs) < 5 / np.sqrt(len(lam))


@pytest.mark.parametrize("partner", PARTNERS)
def test_a_block_of_the_whole_batch_has_the_lambda_of_the_batch(rng, partner):
    assert draw(rng, 16, 0.4, per="block", partner=partner, block=16) == draw(rng, 16, 0.4, partner=partner, block=16)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_narrow_leaves_keep_their_dtype_and_mix_in_float32(rng, dtype):
    plan = draw(rng, 16, 1.0)
    x = jax.random.normal(rng, (16, 50)).astype(dtype)
    mixed = mix(plan, x)
    assert mixed.dtype == dtype
    np.testing.assert_array_equal(mixed, mix(plan, x.astype(jnp.float32)).astype(dtype))
    assert plan.lam.dtype == jnp.float32


def test_one_plan_mixes_a_whole_tree(rng, batch):
    plan = draw(rng, 16, 1.0)
    tree = mix(plan, {"image": batch[0], "extra": (batch[1], None)})
    np.testing.assert_array_equal(tree["extra"][0], mix(plan, batch[1]))


def test_jit_is_eager(rng, batch):
    eager = mixup(rng, *batch, 0.3)
    for a, b in zip(eager, jax.jit(mixup)(rng, *batch, 0.3), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)  # lambda's last bit
    plan = draw(rng, 16, 0.3, per="example")
    for a, b in zip(mix(plan, batch), jax.jit(mix)(plan, batch), strict=True):
        np.testing.assert_array_equal(a, b)


def test_64_bits_switched_on_change_no_bit(rng, batch):
    expected = jax.jit(mixup)(rng, *batch, 0.3)
    with jax.enable_x64(True):
        wide = jax.jit(mixup)(rng, *batch, 0.3)
        double = mix(draw(rng, 16, 0.3), batch[0].astype(jnp.float64))
    for a, b in zip(wide, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (double.dtype, wide[0].dtype) == (np.float64, np.float32)
    np.testing.assert_allclose(double, expected[0], atol=1e-6)


def test_a_vmap_over_seeds_and_alphas_is_a_loop(rng, batch):
    keys, alphas = jax.random.split(rng, 3), jnp.array([0.0, 0.2, 8.0])
    together = jax.vmap(lambda key, alpha: mixup(key, *batch, alpha))(keys, alphas)
    for i in range(3):
        for a, b in zip(together, mixup(keys[i], *batch, alphas[i]), strict=True):
            np.testing.assert_allclose(a[i], b, atol=1e-6)


def test_a_schedule_of_alpha_does_not_recompile(rng):
    traces = []

    @jax.jit
    def step(key, alpha):
        traces.append(alpha)
        return draw(key, 8, alpha).lam

    _, lam = jax.lax.scan(lambda key, alpha: (key, step(key, alpha)), rng, jnp.linspace(0, 1, 5))
    assert bool(jnp.all(lam[0] == 1))
    assert not bool(jnp.any(lam[1:] == 1))
    for alpha in (0.0, 0.5, 2.0):
        step(rng, alpha)
    assert len(traces) == 2  # once inside the scan, once outside of it


def test_gradients_flow_to_both_parents(rng, batch):
    plan = draw(rng, 16, 1.0)
    weight = jax.random.normal(rng, batch[0].shape)
    gradient = jax.grad(lambda x: jnp.sum(weight * mix(plan, x)))(batch[0])
    lam = plan.lam.reshape(-1, 1, 1, 1)
    expected = lam * weight + ((1 - lam) * weight)[jnp.argsort(plan.partner)]
    np.testing.assert_allclose(gradient, expected, atol=1e-5)


LAMBDAS = np.float32([0.0, 0.3, 0.5, 0.8, 1.0])
FIRST, SECOND = np.float32([2, -1, 4, 0, 3]), np.float32([5, 2, 4, -7, 1])


def mixtures(lam, a, b):
    """Mix each of five numbers with another."""
    return mix(Mix(lam, jnp.arange(5, dtype=jnp.int32)), a, b)


@pytest.mark.parametrize(
    "how", [jax.grad, lambda f, n: jax.jit(jax.jacfwd(f, n)), jax.jacrev], ids=["grad", "fwd", "rev"]
)
def test_the_derivatives_are_those_of_the_equation_at_0_a_half_and_1_too(how):
    def total(*inputs):
        return jnp.sum(jnp.arange(1.0, 6.0) * mixtures(*inputs))

    weight = np.arange(1, 6)
    by_lam, by_a, by_b = how(total, (0, 1, 2))(LAMBDAS, FIRST, SECOND)
    np.testing.assert_allclose(by_lam, weight * (FIRST - SECOND), rtol=1e-6)
    np.testing.assert_allclose(by_a, weight * LAMBDAS, rtol=1e-6)
    np.testing.assert_allclose(by_b, weight * (1 - LAMBDAS), rtol=1e-6)
    runs = jax.vmap(jax.grad(total), (0, None, None))(jnp.stack([LAMBDAS, LAMBDAS]), FIRST, SECOND)
    np.testing.assert_allclose(runs[1], by_lam)


def test_the_second_derivatives_are_those_of_the_equation():
    twice = jax.jacfwd(jax.grad(lambda *inputs: jnp.sum(mixtures(*inputs)), 0), (0, 1, 2))(LAMBDAS, FIRST, SECOND)
    for derivative, expected in zip(twice, (0, 1, -1), strict=True):
        np.testing.assert_array_equal(derivative, expected * np.eye(5))


def test_a_learnable_lambda_that_starts_in_the_middle_moves():
    gradient = jax.grad(lambda theta: jnp.sum(mixtures(jnp.full(5, jax.nn.sigmoid(theta)), FIRST, SECOND)))(0.0)
    np.testing.assert_allclose(gradient, 0.25 * (FIRST - SECOND).sum(), rtol=1e-6)


INF, HUGE = np.inf, 3e38


@pytest.mark.parametrize(
    ("lam", "own", "partner", "expected"),
    [
        (0.5, HUGE, -HUGE, 0),
        (0.25, HUGE, -HUGE, -1.5e38),
        (0.5, -INF, -INF, -INF),
        (0.7, -INF, 1, -INF),
        (0.3, -INF, 1, -INF),
        (0.7, 1, INF, INF),
        (1, 1, -INF, 1),
        (0, INF, 1, 1),
        (1, -INF, np.nan, -INF),
        (0.5, INF, -INF, np.nan),
    ],
)
@pytest.mark.parametrize("compiled", [True, False])
def test_the_largest_numbers_and_infinities_mix_as_in_exact_arithmetic(lam, own, partner, expected, compiled):
    plan = Mix(jnp.array([lam], jnp.float32), jnp.zeros(1, jnp.int32))
    apply = jax.jit(mix) if compiled else mix
    parents = (jnp.array([each], jnp.float32) for each in (own, partner))
    np.testing.assert_allclose(apply(plan, *parents), [expected], rtol=1e-6)


@pytest.mark.parametrize("held", [np.inf, -np.inf, np.nan])
def test_what_is_not_taken_stays_out_of_the_derivatives(held):
    def total(lam, x):
        return jnp.sum(mix(Mix(lam, jnp.array([1, 0])), x)[:1])

    by_lam, by_x = jax.grad(total, (0, 1))(jnp.array([1.0, 1.0]), jnp.array([2.0, held]))
    np.testing.assert_array_equal(by_lam, [0, 0])
    np.testing.assert_array_equal(by_x, [1, 0])


def test_a_traced_lambda_beyond_0_and_1_counts_as_these_in_the_mixture_and_in_the_loss():
    plan = Mix(jnp.array([1.2, -0.5]), jnp.array([1, 0]))
    ends = Mix(jnp.array([1.0, 0.0]), jnp.array([1, 0]))
    x, labels = jnp.array([[1.0, 2.0], [3.0, 5.0]]), jnp.array([0, 1])
    np.testing.assert_array_equal(jax.jit(mix)(plan, x), mix(ends, x))
    loss = jax.jit(mixed_cross_entropy)(x, labels, plan)
    np.testing.assert_allclose(loss, mixed_cross_entropy(x, labels, ends), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "float16", "bfloat16", "float32", "complex64"])
def test_every_floating_dtype_mixes_and_comes_back(dtype):
    plan = Mix(jnp.array([0.25, 1.0]), jnp.array([1, 0]))
    mixed = jax.jit(mix)(plan, jnp.array([[4.0], [8.0]]).astype(dtype))
    assert mixed.dtype == dtype
    np.testing.assert_array_equal(mixed.astype(jnp.float32 if dtype != "complex64" else dtype), [[7], [8]])


def test_partners_of_another_batch_are_those_of_mix(rng, batch):
    other = jax.tree.map(lambda leaf: leaf[::-1], batch)
    expected = mix(draw(rng, 16, 0.4), batch, other)
    for a, b in zip(mixup(rng, *batch, 0.4, other=other), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    longer = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), other)  # a data set: partners by number
    for a, b in zip(
        mixup(rng, *batch, 0.4, other=longer, partner=jnp.arange(16, 32)),
        mixup(rng, *batch, 0.4, other=other, partner=jnp.arange(16)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_plans_compare_and_have_no_hash(rng):
    plan = draw(rng, 4, 1.0)
    assert plan == draw(rng, 4, 1.0)
    assert (plan == Mix(plan.lam, plan.partner)) is True
    masked = Mix(plan.lam, plan.partner, mask=jnp.ones((4, 2), bool))
    for another in (draw(rng, 4, 0.3), Mix(plan.lam, plan.partner, block=2), masked, draw(rng, 3, 1.0), None, 1.0):
        assert (plan == another) is False
    with pytest.raises(TypeError, match="unhashable type: 'Mix'"):
        hash(plan)


def test_a_program_of_plans_can_be_exported_and_saved(rng, batch):
    plan = draw(rng, 16, 1.0, block=4)
    exported = jax.export.export(jax.jit(lambda plan, x: (plan, mix(plan, x))))(plan, batch[0])
    np.testing.assert_array_equal(exported.call(plan, batch[0])[1], mix(plan, batch[0]))
    pytest.importorskip("flatbuffers", reason="jax.export saves with it")
    again, mixed = jax.export.deserialize(exported.serialize()).call(plan, batch[0])
    assert again == plan
    np.testing.assert_array_equal(mixed, mix(plan, batch[0]))


@pytest.mark.parametrize(
    ("devices", "axis_type", "block"),
    [
        (4, AxisType.Auto, 2),
        (8, AxisType.Auto, None),
        (8, AxisType.Auto, 2),
        (1, AxisType.Explicit, 2),
        (8, AxisType.Explicit, None),
        (8, AxisType.Explicit, 2),
    ],
)
def test_a_sharded_batch_is_mixed_bit_for_bit_as_on_one_device(rng, batch, devices, axis_type, block):
    mesh = jax.make_mesh((devices,), ("data",), axis_types=(axis_type,), devices=jax.devices()[:devices])
    sharded = jax.device_put(batch, NamedSharding(mesh, P("data")))
    step = jax.jit(lambda x, y: mixup(rng, x, y, 0.4, block=block))
    for a, b in zip(step(*sharded), step(*batch), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("axis_type", [AxisType.Auto, AxisType.Explicit])
def test_blocks_keep_images_on_their_device(rng, batch, axis_type):
    mesh = jax.make_mesh((8,), ("data",), axis_types=(axis_type,))
    sharding = NamedSharding(mesh, P("data"))
    x = jax.device_put(batch[0], sharding)

    def collectives(block):
        step = jax.jit(lambda key, x: mix(draw(key, 16, 1.0, block=block), x), out_shardings=sharding)
        lines = step.lower(rng, x).compile().as_text().splitlines()
        return [line for line in lines if "6,6,3]" in line and ("all-gather" in line or "all-reduce" in line)]

    assert collectives(None)
    assert not collectives(2)


def test_pmap_and_shard_map_mix_each_shard_as_alone(rng, batch):
    keys = jax.random.split(rng, 4)
    shards = jax.tree.map(lambda leaf: leaf.reshape(4, 4, *leaf.shape[1:]), batch)
    expected = jax.vmap(lambda key, x, y: mixup(key, x, y, 1.0))(keys, *shards)
    pmapped = jax.pmap(lambda key, x, y: mixup(key, x, y, 1.0), devices=jax.devices()[:4])(keys, *shards)
    mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:4])

    def one_shard(key, x, y):
        return mixup(key[0], x, y, 1.0)

    mapped = jax.jit(jax.shard_map(one_shard, mesh=mesh, in_specs=P("data"), out_specs=P("data")))(keys, *batch)
    for alone, a, b in zip(expected, pmapped, mapped, strict=True):
        np.testing.assert_allclose(a, alone, atol=1e-6)
        np.testing.assert_allclose(b, alone.reshape(b.shape), atol=1e-6)


@pytest.mark.parametrize(("per", "partner", "block"), OPTIONS)
def test_two_label_loss_is_the_dense_loss(rng, per, partner, block):
    labels = jax.random.randint(rng, (16,), 0, 7)
    logits = 5 * jax.random.normal(rng, (16, 7))
    plan = draw(rng, 16, 1.0, per=per, partner=partner, block=block)
    soft = mix(plan, jax.nn.one_hot(labels, 7))
    dense = -jnp.sum(soft * jax.nn.log_softmax(logits), axis=1)
    np.testing.assert_allclose(mixed_cross_entropy(logits, labels, plan), dense, rtol=1e-5, atol=1e-5)


ONE_HOT = np.eye(4, dtype=np.float32)
HALF = partial(Mix, partner=np.arange(4, dtype=np.int32))
PAIR = lambda partner: Mix(np.full(2, 0.5, np.float32), np.array([0, partner], np.int32))  # noqa: E731
BAD_CALLS = [
    (lambda rng: mixup(rng, ONE_HOT, ONE_HOT, -1.0), ValueError, r"alpha .* -1.0"),
    (lambda rng: mixup(rng, ONE_HOT, ONE_HOT, float("nan")), ValueError, r"alpha .* nan"),
    (lambda rng: mixup(rng, ONE_HOT, ONE_HOT, float("inf")), ValueError, r"alpha .* inf"),
    (lambda rng: mixup(rng, ONE_HOT, ONE_HOT, 1e39), ValueError, r"alpha .* 1e\+39"),  # no float32
    *(
        (lambda rng, call=call, partner=partner: call(PAIR(partner)), ValueError, rf"partner must be .*{partner}")
        for call in (
            lambda plan: mix(plan, ONE_HOT[:2]),
            lambda plan: mixed_cross_entropy(ONE_HOT[:2], np.arange(2), plan),
            lambda plan: mixed_loss(jnp.abs, np.ones(2, np.float32), plan),
            lambda plan: union(plan, ONE_HOT[:2]),
        )
        for partner in (2, -3)  # of a data set, and other= is forgotten
    ),
    (lambda rng: mixup(rng, ONE_HOT, ONE_HOT, jnp.ones(4)), ValueError, r"alpha must be a scalar, got shape \(4,\)"),
    (lambda rng: mixup(rng, ONE_HOT, np.arange(4), 1.0), TypeError, r"int32\[4\].*one_hot.*mixed_cross"),
    (lambda rng: mixup(rng, ONE_HOT, ONE_HOT[:3], 1.0), ValueError, "same length, got 4 and 3"),
    (
        lambda rng: mixup(rng, ONE_HOT[:0], ONE_HOT[:0], 1.0),
        ValueError,
        r"x must hold .* not empty, got shapes \[\(0, 4\)\]",
    ),
    (lambda rng: mixup(rng, 1.0, ONE_HOT, 1.0), ValueError, "x must hold arrays"),
    (lambda rng: mixup(rng, ONE_HOT.astype(np.uint8), ONE_HOT, 1.0), TypeError, r"uint8\[4,4\].*convert images"),
    (lambda rng: mixup(rng, ONE_HOT, ONE_HOT.astype(bool), 1.0), TypeError, r"bool\[4,4\].*multi-hot labels"),
    (lambda rng: mixup(rng, {"a": ONE_HOT, "b": ONE_HOT[:2]}, ONE_HOT, 1.0), ValueError, r"'b'.*float32\[2,4\]"),
    (lambda rng: draw(rng, 0, 1.0), ValueError, "size must be at least 1, got 0"),
    (lambda rng: draw(rng, 6, 1.0, block=4), ValueError, "block 4 and a batch of 6"),
    (lambda rng: draw(rng, 6, 1.0, block=0), ValueError, "block 0"),
    (lambda rng: draw(rng, 6, 1.0, partner="best"), ValueError, "partner must be one of permutation, .* got 'best'"),
    (lambda rng: draw(rng, 4, 1.0, partner=np.arange(4)[::-1], block=2), ValueError, "keep to the runs of 2 examples"),
    (lambda rng: draw(rng, 4, 1.0, partner=np.arange(3)), ValueError, r"integers of shape \(4,\), got int\d+\[3\]"),
    (lambda rng: mix(draw(rng, 4, 1.0), ONE_HOT, ONE_HOT[:, :2]), ValueError, r"its partners are float32\[4,2\]"),
    (lambda rng: mix(draw(rng, 4, 1.0, block=2), ONE_HOT, ONE_HOT[:2]), ValueError, "with a block there must be 4"),
    (lambda rng: mixup(rng, ONE_HOT, ONE_HOT.astype(np.int32), 1.0), TypeError, r"int32\[4,4\].*float"),
    (lambda rng: draw(rng, 6, 1.0, per="pixel"), ValueError, "per must be one of batch, .*, got 'pixel'"),
    (lambda rng: draw(rng, 6, 1.0, per="block"), ValueError, "block, example, the second with a block, got 'block'"),
    (lambda rng: draw(rng, 6, 1.0, partner="derangement", block=1), ValueError, "derangement.* got 1"),
    (lambda rng: mix(draw(rng, 4, 1.0), np.ones((4, 2), bool)), TypeError, r"bool\[4,2\]"),
    (lambda rng: mix(draw(rng, 4, 1.0), ONE_HOT[:3]), ValueError, "plan mixes a batch of 4"),
    (lambda rng: mixed_cross_entropy(ONE_HOT, ONE_HOT, draw(rng, 4, 1.0)), TypeError, "labels must be integer"),
    (lambda rng: mixed_cross_entropy(ONE_HOT, np.arange(3), draw(rng, 4, 1.0)), ValueError, r"\(4, 4\), \(3,\)"),
    (lambda rng: draw(rng, ONE_HOT, 1.0), TypeError, r"size .* got float32\[4,4\].*len\(x\)"),
    (lambda rng: draw(rng, ONE_HOT.shape, 1.0), TypeError, r"size .* got tuple.*len\(x\)"),
    (lambda rng: draw(rng, 4, "1.0"), TypeError, "alpha must be a number, got '1.0'"),
    (lambda rng: draw(rng, 4, None), TypeError, "alpha must be a number, got None"),
    (lambda rng: draw(rng, 4, True), TypeError, "alpha must be a number, got True"),
    (lambda rng: draw(rng, 4, 1.0, block=2.0), TypeError, "block must be .* got float"),
    (
        lambda rng: mix(ONE_HOT, draw(rng, 4, 1.0)),
        TypeError,
        r"plan must be a Mix, got float32\[4,4\].*mix\(plan, tree\)",
    ),
    (lambda rng: mix(HALF(0.5), ONE_HOT), ValueError, r"lam \(batch,\).* got float32\[\] .*jnp.full"),
    (lambda rng: mix(HALF(jnp.full(3, 0.5)), ONE_HOT), ValueError, r"got float32\[3\] and int32\[4\]"),
    (lambda rng: mix(HALF(np.float32([1, 1.2, 0, 0])), ONE_HOT), ValueError, r"lam must be in \[0, 1\].* 0.0 to 1.2"),
    (lambda rng: mix(HALF(np.float32([1, -0.5, 0, 0])), ONE_HOT), ValueError, r"lam must be in .* -0.5 to 1.0"),
    (lambda rng: mix(HALF(np.float32([1, np.nan, 0, 0])), ONE_HOT), ValueError, r"lam must be in .* nan"),
    (
        lambda rng: mix(HALF(jnp.ones(4), mask=np.ones((3, 2), bool)), ONE_HOT),
        ValueError,
        r"mask .* 4, got bool\[3,2\]",
    ),
    (lambda rng: mix(HALF(jnp.ones(4), mask=np.ones((4, 4), bool)), ONE_HOT), ValueError, "positions or classes"),
    (lambda rng: mixup(rng, [ONE_HOT] * 4, ONE_HOT, 1.0), ValueError, "list of 4 arrays.*jnp.stack"),
    (
        lambda rng: mixup(rng, ONE_HOT, ONE_HOT, 1.0, other=(ONE_HOT[:3], ONE_HOT[:3])),
        ValueError,
        "x and other .* 4 and 3",
    ),
]


@pytest.mark.parametrize(("call", "error", "message"), BAD_CALLS)
def test_errors_name_the_argument_at_trace_time(rng, call, error, message, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # the type checker of the tests would be first
    with pytest.raises(error, match=message):
        call(rng)
    with pytest.raises(error, match=message):
        jax.jit(call)(rng)


def test_a_traced_alpha_that_makes_no_sense_is_seen_as_nan(rng):
    lam = jax.vmap(lambda alpha: draw(rng, 4, alpha).lam)(jnp.array([-1.0, jnp.nan]))
    assert bool(jnp.all(jnp.isnan(lam)))
