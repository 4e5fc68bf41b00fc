"""Table 4's training: all seeds and alphas in one program, and a plain PyTorch loop over steps.

Both train an MLP of 2 x 128 ReLU on random rows with Adam in batches of 16, mixed with one lambda a batch. Ours trains
20 seeds x 5 alphas in a call; PyTorch one network after the other, on one thread, which is its fastest way with nets
this small.
"""

import jax
import jax.numpy as jnp
import numpy as np

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
