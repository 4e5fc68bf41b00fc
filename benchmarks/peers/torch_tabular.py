"""Time table 4's training, all seeds and alphas in one program, against a plain PyTorch loop over steps.

Both train an MLP of 2 x 128 ReLU on random rows with Adam in batches of 16, mixed with one lambda a batch. Ours trains
20 seeds x 5 alphas in a call; PyTorch one network after the other, on one thread, which is its fastest way with nets
this small. They take turns in one process; compiling is not counted. On shared cores read the processor's time.

    python -m benchmarks.peers.torch_tabular
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from benchmarks.harness.turns import import_torch
from benchmarks.harness.turns_of_loops import compare
from mixup_jax.models.mlp import MLP
from mixup_jax.steps.many_seeds import over_seeds
from mixup_jax.steps.short import Short, train_short

ALPHAS = (0.0, 0.1, 0.2, 0.4, 1.0)
CLASSES, BATCH = 3, 16


def rows(count: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows; the time of a step does not depend on them."""
    generator = np.random.default_rng(0)
    return generator.normal(size=(count, columns)).astype(np.float32), generator.integers(0, CLASSES, count, np.int32)


def ours(data: tuple[np.ndarray, np.ndarray], seeds: int, steps: int):
    """Compile the training of all networks."""
    hparams = Short(MLP(classes=CLASSES, width=128), steps, BATCH)

    def one(seed, alpha, x, label):
        return train_short(jax.random.key(seed), x, label, alpha, hparams)

    many = over_seeds(over_seeds(one, (None, 0, None, None)), (0, None, None, None))
    program = jax.jit(many).lower(jnp.arange(seeds), jnp.array(ALPHAS), *data).compile()
    return lambda: jax.block_until_ready(program(jnp.arange(seeds), jnp.array(ALPHAS), *data))


def pytorchs(data: tuple[np.ndarray, np.ndarray], steps: int) -> None:
    """Train one network for `steps` steps."""
    import torch

    x, label = torch.tensor(data[0]), torch.tensor(data[1]).long()
    layers = [torch.nn.Linear(x.shape[1], 128), torch.nn.ReLU(), torch.nn.Linear(128, 128), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(128, CLASSES))
    optimizer = torch.optim.Adam(network.parameters())
    beta, entropy = torch.distributions.Beta(0.2, 0.2), torch.nn.functional.cross_entropy
    order = torch.cat([torch.randperm(len(x)) for _ in range(-(-steps * BATCH // len(x)))])
    for step in range(steps):
        index = order[step * BATCH : (step + 1) * BATCH]
        own, y, lam, partner = x[index], label[index], beta.sample(), torch.randperm(BATCH)
        logits = network(lam * own + (1 - lam) * own[partner])
        optimizer.zero_grad()
        (lam * entropy(logits, y) + (1 - lam) * entropy(logits, y[partner])).backward()
        optimizer.step()


def main(count: int = 1000, columns: int = 10, seeds: int = 20, steps: int = 100, rounds: int = 5) -> None:
    """Print milliseconds of each for a training, and their ratio.

    Args:
        count: Training rows.
        columns: Features.
        seeds: Of ours, for each of five alphas.
        steps: Steps of a training.
        rounds: Turns of each.
    """
    data = rows(count, columns)
    runs = {"ours": (ours(data, seeds, steps), seeds * len(ALPHAS))}
    if import_torch():
        runs["PyTorch"] = partial(pytorchs, data, steps), 1
    compare(runs, rounds, "training")


if __name__ == "__main__":
    tyro.cli(main)
