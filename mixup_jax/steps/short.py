"""Short trainings: a whole one, from the first weights to the last step, is one pure function.

For small tables of numbers and for seconds to minutes (figure 1b, table 4): nothing to resume, nothing to look at on
the way. `jit` makes a training one program, `over_seeds` over keys and alphas makes many of them one.
"""

from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.typing import ArrayLike
from jaxtyping import Float, Int, Key

from mixup_jax.losses import mixed_cross_entropy
from mixup_jax.mixing import draw, mix
from mixup_jax.steps.train_step import epoch_order


@dataclass(frozen=True)
class Short:
    """How a short training goes: the classifier, how many steps of Adam, on how many examples each."""

    model: nn.Module
    steps: int
    batch_size: int
    lr: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse what trains nothing."""
        for name in ("steps", "batch_size", "lr"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}.")


def train_short(
    rng: Key[Array, ""], x: Float[Array, "n features"], label: Int[Array, "n"], alpha: ArrayLike, hparams: Short
) -> Any:
    """Train from scratch with mixup and return the parameters; ``Beta(alpha, alpha)``, one lambda a batch.

    `alpha` may be traced; 0 is ERM. Batches are those of `training.programs.two_epochs`. All batches and plans are
    drawn before the first step: one large draw costs a CPU a fraction of many small ones.

    Raises ValueError for a batch larger than the training set.
    """
    rng_init, rng_order, rng_mix = jax.random.split(rng, 3)
    params = hparams.model.init(rng_init, x[:1], train=False)["params"]
    index = _batches(rng_order, hparams, len(label))
    keys = jax.vmap(jax.random.fold_in, (None, 0))(rng_mix, jnp.arange(hparams.steps))
    plans = jax.vmap(lambda key: draw(key, hparams.batch_size, alpha))(keys)
    optimizer = optax.adam(hparams.lr)

    def step(carry, inputs):
        (params, opt_state), (index, plan) = carry, inputs

        def loss_fn(params):
            logits = predict(hparams.model, params, mix(plan, x[index]))
            return mixed_cross_entropy(logits, label[index], plan).mean()

        updates, opt_state = optimizer.update(jax.grad(loss_fn)(params), opt_state)
        return (optax.apply_updates(params, updates), opt_state), None

    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), (index, plans))
    return params


def predict(model: nn.Module, params: Any, x: Float[Array, "n features"]) -> Float[Array, "n classes"]:
    """Return the logits."""
    logits = model.apply({"params": params}, x, train=False)
    assert isinstance(logits, Array)
    return logits


def _batches(rng: Array, hparams: Short, n: int) -> Int[Array, "steps batch"]:
    """Return the indices of all batches: the orders of the epochs, end to end."""
    if hparams.batch_size > n:
        raise ValueError(f"batch_size must be at most the {n} training examples, got {hparams.batch_size}.")
    used = hparams.steps * hparams.batch_size
    orders = jax.vmap(lambda epoch: epoch_order(rng, epoch, n))(jnp.arange(-(-used // n)))
    return orders.reshape(-1)[:used].reshape(hparams.steps, hparams.batch_size)
