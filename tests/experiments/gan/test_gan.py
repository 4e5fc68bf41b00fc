"""Laws of the game: what is mixed with what, who follows which gradient, and the same bits whatever the chunks."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from experiments.gan import step as gan
from experiments.gan.modes import quality
from experiments.gan.points import SIGMA, centres, draw_points
from experiments.gan.step import Gan, draw_plan, gan_step
from mixup_jax.mixing import Mix
from mixup_jax.models.mlp import MLP

MEANS = jnp.asarray(centres("ring"))
SIZE = 4


pytestmark = pytest.mark.usefixtures("quick_beta")


@pytest.fixture(scope="module", params=["paper", "demo"])
def game(request):
    """A tiny game of each objective, as a compiled loop and its first state."""
    nets = (MLP(classes=outputs, width=8, depth=3) for outputs in (2, 1))
    hparams = Gan(*nets, objective=request.param, batch_size=SIZE, discriminator_steps=2)
    loop = jax.jit(
        lambda state, count, alpha: jax.lax.fori_loop(
            0, count, lambda _, each: gan_step(each, MEANS, alpha, hparams), state
        )
    )
    return hparams, loop, hparams.init(jax.random.key(1))


@pytest.mark.slow
def test_a_game_cut_into_pieces_is_the_same_game(game):
    _, loop, first = game
    whole, parts = loop(first, 5, 0.3), loop(loop(first, 2, 0.3), 3, 0.3)
    jax.tree.map(
        np.testing.assert_array_equal, *(each._replace(rng=jax.random.key_data(each.rng)) for each in (whole, parts))
    )
    assert whole.step == 5
    other = loop(first, 5, 0.0)
    assert (other.generator.params["head"]["kernel"] != whole.generator.params["head"]["kernel"]).any()


@pytest.mark.thorough
def test_at_alpha_0_both_objectives_are_the_usual_one(game):
    hparams, _, state = game
    rng_real, rng_fake, rng_mix = jax.random.split(jax.random.key(7), 3)
    real, fake = draw_points(rng_real, MEANS, SIZE), jax.random.normal(rng_fake, (SIZE, 2))
    plan = draw_plan(rng_mix, SIZE, 0.0, hparams.objective)
    loss = gan.play(state.discriminator.params, real[None], fake[None], plan, hparams)
    logits = [hparams.discriminator.apply({"params": state.discriminator.params}, x, train=False) for x in (real, fake)]
    expected = jnp.mean(jax.nn.softplus(-logits[0])) + jnp.mean(jax.nn.softplus(logits[1]))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.slow
def test_an_iteration_is_the_discriminators_steps_and_one_of_the_generator_against_it(game):
    hparams, loop, state = game
    after, mixed = loop(state, 1, 0.5), 0.5
    rng_real, rng_latent, rng_mix = jax.random.split(jax.random.fold_in(state.rng, 0), 3)
    both = 2 if hparams.objective == "demo" else 1
    real = draw_points(rng_real, MEANS, 3 * both * SIZE).reshape(3, both, SIZE, 2)
    z = jax.random.normal(rng_latent, (3, both, SIZE, 2))
    plans = [draw_plan(key, SIZE, mixed, hparams.objective) for key in jax.random.split(rng_mix, 3)]
    optimizer, player = optax.adam(1e-3), state.discriminator

    def follow(params, opt_state, loss_fn):
        updates, opt_state = optimizer.update(jax.grad(loss_fn)(params), opt_state)
        return optax.apply_updates(params, updates), opt_state

    params, opt_state = player
    for i in range(2):
        fake = jnp.stack([hparams.generate(state.generator.params, each) for each in z[i]])
        params, opt_state = follow(
            params, opt_state, lambda p, i=i, fake=fake: gan.play(p, real[i], fake, plans[i], hparams)
        )
    plan = plans[2] if hparams.objective == "paper" else draw_plan(rng_mix, SIZE, 0.0, "demo")
    generator, _ = follow(
        *state.generator, lambda p: -gan.play(params, real[2, :1], hparams.generate(p, z[2, 0])[None], plan, hparams)
    )
    for ours, theirs in ((after.discriminator.params, params), (after.generator.params, generator)):
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), ours, theirs)


@pytest.mark.thorough
def test_the_paper_mixes_real_with_generated_and_the_demo_whatever_comes(rng):
    paper = draw_plan(rng, 50, 0.4, "paper")
    np.testing.assert_array_equal(paper.partner, (np.arange(100) + 50) % 100)
    demo = draw_plan(rng, 50, 0.4, "demo")
    assert sorted(demo.partner.tolist()) == list(range(100))
    assert 0.6 <= demo.lam.min() < 0.65
    assert 0.95 < demo.lam.max() <= 1
    assert len(np.unique(demo.lam)) > 90


def test_the_demo_draws_a_second_batch_and_the_paper_does_not(game, monkeypatch):
    hparams, _, state = game
    seen = []
    usual = gan.play
    monkeypatch.setattr(gan, "play", lambda *a: seen.append((a[1].shape, a[2].shape)) or usual(*a))
    jax.eval_shape(lambda state: gan_step(state, MEANS, 0.3, hparams), state)
    both = (2 if hparams.objective == "demo" else 1, SIZE, 2)
    assert set(seen[:-1]) == {(both, both)}
    assert seen[-1] == ((1, SIZE, 2),) * 2  # the generator's step


def test_at_weight_0_only_the_second_batch_is_played(game, rng):
    hparams, _, state = game
    points = jax.random.normal(rng, (2, 2, SIZE, 2))  # kinds, batches
    plan = Mix(jnp.zeros(2 * SIZE), jnp.arange(2 * SIZE)[::-1])
    itself = Mix(jnp.ones(2 * SIZE), plan.partner)
    found = gan.play(state.discriminator.params, *points, plan, hparams)
    np.testing.assert_allclose(found, gan.play(state.discriminator.params, *points[:, 1:], itself, hparams), rtol=1e-5)


def test_the_points_are_where_they_should_be(rng):
    for name, count in (("ring", 8), ("grid", 25)):
        means = centres(name)
        points = np.asarray(draw_points(rng, jnp.asarray(means), 5000))
        distance = np.linalg.norm(points[:, None] - means[None], axis=-1)
        shares = np.bincount(distance.argmin(axis=1), minlength=count) / 5000
        np.testing.assert_allclose(shares, 1 / count, atol=0.03)
        np.testing.assert_allclose((distance.min(axis=1) ** 2).mean(), 2 * SIGMA**2, rtol=0.1)
    with pytest.raises(ValueError, match="distribution is 'spiral'; it must be ring or grid"):
        centres("spiral")


@pytest.mark.thorough
def test_real_points_are_of_full_quality_and_nonsense_of_none(rng):
    real = draw_points(rng, MEANS, 1000)
    assert [float(each) for each in quality(real, MEANS)] == [8.0, 100.0, 100.0]
    nothing = jnp.full((1000, 2), jnp.nan)
    both = quality(jnp.stack([real, nothing]), MEANS)
    assert [each.tolist() for each in both] == [[8.0, 0.0], [100.0, 0.0], [100.0, 0.0]]
