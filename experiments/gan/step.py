"""One iteration of a generative adversarial network with mixup in the discriminator's task (paper, section 3.7).

    max_g min_d  E_{x, z, lam}  BCE(d(lam x + (1 - lam) g(z)), lam)

Both objectives below are ERM's, ``BCE(d(x), 1) + BCE(d(g(z)), 0)``, at alpha = 0. Pure: `jit`, a loop and many seeds
happen outside.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Key

from experiments.gan.points import draw_points
from mixup_jax.mixing import Mix, draw, mix
from mixup_jax.steps.short import predict

Objective = Literal["paper", "demo"]


class Player(NamedTuple):
    """One of the two networks."""

    params: Any
    opt_state: Any


class GanState(NamedTuple):
    """Both networks after `step` iterations, and the key of all iterations."""

    step: Array
    rng: Array
    generator: Player
    discriminator: Player


@dataclass(frozen=True)
class Gan:
    """How the game goes.

    `objective`: "paper" mixes each real with a generated point, ``lam ~ Beta(alpha, alpha)``, in both players' task;
    "demo", the first author's, mixes a batch of both kinds with a second, independent one, shuffled, ``lam ~ Uniform(0,
    alpha)`` the weight of the second, and in the generator's task nothing.
    """

    generator: nn.Module
    discriminator: nn.Module
    objective: Objective = "paper"
    latent: int = 2
    """Dimensions of z, standard normal."""
    batch_size: int = 128
    """Real points a step, and as many generated ones."""
    discriminator_steps: int = 5
    """Before each step of the generator."""
    lr: float = 1e-3

    def init(self, rng: Key[Array, ""]) -> GanState:
        """Draw the first weights of both."""
        rng_generator, rng_discriminator, rng = jax.random.split(rng, 3)
        players = []
        for model, key, inputs in (
            (self.generator, rng_generator, self.latent),
            (self.discriminator, rng_discriminator, 2),
        ):
            params = model.init(key, jnp.zeros((1, inputs)), train=False)["params"]
            players.append(Player(params, optax.adam(self.lr).init(params)))
        return GanState(jnp.zeros((), jnp.int32), rng, *players)

    def generate(self, params: Any, z: Float[Array, "points latent"]) -> Float[Array, "points 2"]:
        """Return the generator's points."""
        return predict(self.generator, params, z)


def gan_step(state: GanState, means: Float[Array, "modes 2"], alpha: ArrayLike, hparams: Gan) -> GanState:
    """Play one iteration: the discriminator's steps, then one of the generator. `alpha` may be traced; 0 is ERM."""
    rng_real, rng_latent, rng_mix = jax.random.split(jax.random.fold_in(state.rng, state.step), 3)
    rounds, size = hparams.discriminator_steps + 1, hparams.batch_size
    batches = 2 if hparams.objective == "demo" else 1  # of each kind, a round
    real = draw_points(rng_real, means, rounds * batches * size).reshape(rounds, batches, size, 2)
    z = jax.random.normal(rng_latent, (rounds, batches, size, hparams.latent))
    plans = jax.vmap(lambda key: draw_plan(key, size, alpha, hparams.objective))(jax.random.split(rng_mix, rounds))
    # The generator rests meanwhile: its points for all of the discriminator's steps are one product of matrices.
    fake = hparams.generate(state.generator.params, z[:-1].reshape(-1, hparams.latent)).reshape(real[:-1].shape)

    def discriminator_step(player: Player, inputs: tuple[Array, Array, Mix]) -> tuple[Player, None]:
        def loss_fn(params):
            return play(params, *inputs, hparams)

        return _descend(player, jax.grad(loss_fn)(player.params), hparams), None

    last = jax.tree.map(lambda leaf: leaf[-1], plans)
    before = jax.tree.map(lambda leaf: leaf[:-1], plans)
    discriminator, _ = jax.lax.scan(discriminator_step, state.discriminator, (real[:-1], fake, before))
    if hparams.objective == "demo":
        last = replace(last, lam=jnp.ones_like(last.lam))

    def generator_loss(params):
        # Paper: the generator maximises the same objective; it does not minimise a loss of its own, as usual since.
        generated = hparams.generate(params, z[-1, 0])
        return -play(discriminator.params, real[-1, :1], generated[None], last, hparams)

    generator = _descend(state.generator, jax.grad(generator_loss)(state.generator.params), hparams)
    return GanState(state.step + 1, state.rng, generator, discriminator)


def draw_plan(rng: Key[Array, ""], size: int, alpha: ArrayLike, objective: Objective) -> Mix:
    """Draw how `size` real points, the first half of a batch, and as many generated ones are mixed.

    >>> jax.eval_shape(lambda: draw_plan(jax.random.key(0), 64, 0.2, "paper").lam).shape
    (128,)
    """
    real, generated = jnp.arange(size), jnp.arange(size) + size
    if objective == "paper":
        # lam and 1 - lam have the same distribution: each pair is taken at both, for one draw.
        lam = draw(rng, size, alpha, per="example", partner=real).lam
        return Mix(jnp.tile(lam, 2), jnp.concatenate([generated, real]))
    rng_partner, rng_lam = jax.random.split(rng)
    share = jnp.asarray(alpha) * jax.random.uniform(rng_lam, (2 * size,))
    return Mix(1 - share, draw(rng_partner, 2 * size, 0.0).partner)


def play(
    discriminator: Any,
    real: Float[Array, "batches size 2"],
    fake: Float[Array, "batches size 2"],
    plan: Mix,
    hparams: Gan,
) -> Float[Array, ""]:
    """Return the discriminator's loss on mixed points, twice the mean: at alpha = 0 the sum of both kinds.

    The first batch is mixed with the last, which is itself if there is one.
    """
    x = jnp.concatenate([real, fake], axis=1)
    y = jnp.concatenate([jnp.ones(real.shape[:2]), jnp.zeros(fake.shape[:2])], axis=1)
    x, y = mix(plan, (x[0], y[0]), (x[-1], y[-1]))
    logits = predict(hparams.discriminator, discriminator, x)[:, 0]
    return 2 * optax.sigmoid_binary_cross_entropy(logits, y).mean()


def _descend(player: Player, grads: Any, hparams: Gan) -> Player:
    updates, opt_state = optax.adam(hparams.lr).update(grads, player.opt_state)
    return Player(optax.apply_updates(player.params, updates), opt_state)
