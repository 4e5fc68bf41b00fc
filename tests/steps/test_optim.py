"""Laws of the learning-rate schedules, and SGD as torch computes it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.choices import Adam, Constant, Cosine, Linear, Sgd, Step
from mixup_jax.steps.optim import direction, learning_rate, sgd

PAPER = Step(decay_epochs=(100.0, 150.0))


def rates(config, steps_per_epoch, epochs, lr=0.1):
    """The learning rate of every step of a run."""
    steps = np.arange(round(epochs * steps_per_epoch))
    return np.asarray(jax.vmap(learning_rate(config, lr, steps_per_epoch, epochs))(steps))


def test_the_papers_rate_is_a_tenth_for_100_epochs_a_hundredth_for_50_and_a_thousandth_for_50():
    values, counts = np.unique(rates(PAPER, 391, 200), return_counts=True)
    np.testing.assert_allclose(values, [0.001, 0.01, 0.1], rtol=1e-6)
    assert counts.tolist() == [50 * 391, 50 * 391, 100 * 391]


def test_a_decay_is_at_the_step_nearest_to_its_epoch_when_epochs_are_no_whole_number_of_steps():
    steps_per_epoch = 50_000 / 128
    _, counts = np.unique(rates(PAPER, steps_per_epoch, 200), return_counts=True)
    np.testing.assert_allclose(counts / steps_per_epoch, [50, 50, 100], atol=1 / steps_per_epoch)


def test_a_cosine_starts_at_the_rate_is_half_of_it_halfway_and_ends_at_zero():
    rate = learning_rate(Cosine(), 0.2, 10, 20)
    np.testing.assert_allclose([rate(0), rate(100), rate(200)], [0.2, 0.1, 0.0], atol=1e-7)
    assert np.all(np.diff(rates(Cosine(), 10, 20)) < 0)


def test_a_constant_rate_is_constant():
    assert np.ptp(rates(Constant(), 7, 3)) == 0


@pytest.mark.parametrize("schedule", [PAPER, Cosine(), Cosine(end_lr=0.01), Linear(), Constant()])
def test_the_warm_up_is_linear_and_meets_the_schedule(schedule):
    config = replace(schedule, warmup_epochs=5.0, warmup_start=0.02)
    values = rates(config, 10, 200)
    np.testing.assert_allclose(values[:51], 0.02 + np.arange(51) / 50 * 0.08, atol=1e-7)
    assert values.max() == np.float32(0.1)


def test_steps_decay_at_epochs_counted_from_0_also_after_a_warm_up():
    warm, cold = rates(replace(PAPER, warmup_epochs=5.0), 10, 200), rates(PAPER, 10, 200)
    np.testing.assert_array_equal(warm[50:], cold[50:])


def test_a_cosine_ends_at_zero_also_after_a_warm_up():
    rate = learning_rate(Cosine(warmup_epochs=5.0), 0.1, 10, 20)
    np.testing.assert_allclose([rate(50), rate(125), rate(200)], [0.1, 0.05, 0.0], atol=1e-7)


def test_a_line_falls_by_the_same_from_step_to_step_and_a_fall_ends_at_its_least_rate():
    for schedule in (Linear(end_lr=0.01, warmup_epochs=5.0), Cosine(end_lr=0.01, warmup_epochs=5.0)):
        rate = learning_rate(schedule, 0.1, 10, 20)
        np.testing.assert_allclose([rate(50), rate(125), rate(200), rate(300)], [0.1, 0.055, 0.01, 0.01], atol=1e-7)
    steps = np.diff(rates(Linear(end_lr=0.01), 10, 20))
    np.testing.assert_allclose(steps, -0.09 / 200, rtol=1e-3)


@pytest.mark.thorough
@pytest.mark.parametrize("steps_per_epoch", [7, 391, 1251.14, 50_000 / 128])
@pytest.mark.parametrize("kind", [Cosine, Linear])
def test_a_rate_per_epoch_is_that_of_the_epochs_beginning(kind, steps_per_epoch):
    epochs, config = 12, kind(end_lr=0.01, warmup_epochs=5.0, warmup_start=0.001)
    held = rates(replace(config, lr_per="epoch"), steps_per_epoch, epochs)
    epoch = np.floor((np.arange(len(held)) + 0.25) / steps_per_epoch)
    rate = learning_rate(config, 0.1, steps_per_epoch, epochs)
    expected = [rate(jnp.float32(each * steps_per_epoch)) for each in range(epochs)]
    np.testing.assert_allclose(held, np.asarray(expected)[epoch.astype(int)], rtol=1e-5)
    values, counts = np.unique(held, return_counts=True)
    assert len(values) == epochs
    assert set(counts.tolist()) <= {int(steps_per_epoch), int(steps_per_epoch) + 1}


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("kind", [Cosine, Linear])
def test_a_fall_from_epoch_0_is_the_one_without_a_warm_up_where_the_warm_up_has_ended(kind, prefix):
    warm = rates(kind(end_lr=0.01, warmup_epochs=5.0, warmup_prefix=prefix), 10, 20)
    cold = rates(kind(end_lr=0.01), 10, 20 if not prefix else 15)
    np.testing.assert_allclose(warm[50:], cold if prefix else cold[50:], rtol=1e-5)
    np.testing.assert_allclose(warm[:50], np.arange(50) / 50 * 0.1, atol=1e-7)


@pytest.mark.parametrize("per", ["step", "epoch"])
@pytest.mark.parametrize("prefix", [True, False])
def test_a_cosine_is_timms(prefix, per):
    torch, timm = pytest.importorskip("torch"), pytest.importorskip("timm.scheduler")
    epochs, warmup, size, peak = 12, 3, 5, 5e-4
    scale = size if per == "step" else 1
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=peak)
    theirs = timm.CosineLRScheduler(
        optimizer,
        t_initial=(epochs - warmup * prefix) * scale,
        lr_min=1e-5,
        warmup_t=warmup * scale,
        warmup_lr_init=1e-6,
        warmup_prefix=prefix,
    )
    expected = []
    for step in range(epochs * size):
        theirs.step(step if per == "step" else step // size)
        expected.append(optimizer.param_groups[0]["lr"])
    config = Cosine(warmup_epochs=3.0, warmup_start=1e-6, end_lr=1e-5, warmup_prefix=prefix, lr_per=per)
    np.testing.assert_allclose(rates(config, size, epochs, peak), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", [Cosine, Linear])
@pytest.mark.parametrize("end", [0.1, 0.5])
def test_a_fall_that_does_not_fall_is_refused(kind, end):
    with pytest.raises(ValueError, match=f"end_lr must be below the learning rate of 0.1, got {end}"):
        learning_rate(kind(end_lr=end), 0.1, 10, 20)


def test_the_step_may_be_traced():
    for schedule in (PAPER, Cosine(), Constant(), Linear(warmup_epochs=2.0, warmup_prefix=False, lr_per="epoch")):
        rate = learning_rate(replace(schedule, warmup_epochs=2.0), 0.1, 10, 200)
        for step in (0, 7, 1000, 1999):
            np.testing.assert_allclose(jax.jit(rate)(step), rate(step), rtol=1e-6, atol=1e-8)


def torch_sgd(params, gradients, *, lr, momentum, weight_decay, nesterov):
    """torch.optim.SGD's documented algorithm, in float64."""
    params, velocity = np.asarray(params, np.float64), None
    for gradient in gradients:
        gradient = np.asarray(gradient, np.float64) + weight_decay * params
        velocity = gradient if velocity is None else momentum * velocity + gradient
        params = params - lr * (gradient + momentum * velocity if nesterov else velocity)
    return params


@pytest.mark.parametrize("weight_decay", [0.0, 5e-2])
def test_adam_is_the_published_algorithm_after_coupled_l2(rng, weight_decay):
    gradients = np.asarray(jax.random.normal(rng, (6, 11)))
    optimizer = direction(Adam(weight_decay=weight_decay))
    params = jnp.linspace(-1, 1, 11)
    expected, first, second = np.asarray(params, np.float64), 0.0, 0.0
    state = optimizer.init(params)
    for step, gradient in enumerate(gradients, start=1):
        update, state = optimizer.update(jnp.asarray(gradient), state, params)
        params = params - 0.1 * update
        gradient = gradient + weight_decay * expected
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
        expected = expected - 0.1 * first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    np.testing.assert_allclose(params, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("nesterov", "momentum", "weight_decay"),
    [(False, 0.9, 5e-2), (True, 0.9, 5e-2), (False, 0.9, 0.0), (True, 0.9, 0.0), (False, 0.0, 5e-2)],
)
def test_sgd_is_torchs_coupled_l2_then_momentum(rng, nesterov, momentum, weight_decay):
    gradients = jax.random.normal(rng, (6, 11))
    start = jnp.linspace(-1, 1, 11)
    optimizer = sgd(Sgd(momentum=momentum, weight_decay=weight_decay, nesterov=nesterov))
    params, state = {"bias": start}, optimizer.init({"bias": start})
    for gradient in gradients:
        direction, state = optimizer.update({"bias": gradient}, state, params)
        params = jax.tree.map(lambda p, d: p - 0.1 * d, params, direction)
    expected = torch_sgd(start, gradients, lr=0.1, momentum=momentum, weight_decay=weight_decay, nesterov=nesterov)
    np.testing.assert_allclose(params["bias"], expected, rtol=1e-5, atol=1e-6)


def test_decay_may_leave_out_batch_norm_and_nothing_else():
    params = {"conv": {"kernel": 2.0}, "bn": {"scale": 2.0, "bias": 2.0}, "head": {"kernel": 2.0, "bias": 2.0}}
    params = jax.tree.map(jnp.float32, params)
    for decay_norm in (True, False):
        optimizer = sgd(Sgd(weight_decay=0.25, decay_norm=decay_norm))
        direction, _ = optimizer.update(jax.tree.map(jnp.zeros_like, params), optimizer.init(params), params)
        norm = 0.5 if decay_norm else 0.0
        expected = {"conv": {"kernel": 0.5}, "bn": {"scale": norm, "bias": norm}, "head": {"kernel": 0.5, "bias": 0.5}}
        assert jax.tree.map(float, direction) == expected
