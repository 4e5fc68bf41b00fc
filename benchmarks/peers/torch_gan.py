"""An iteration of figure 5's GAN: a loop on the device, and a plain PyTorch loop.

Both: 5 steps of the discriminator and one of the generator, each three hidden layers of ReLU, the demo's objective (a
batch mixed with a second one, shuffled, lambda uniform), Adam. Compiling is not counted. Nets of 512 units are matrix
products and little else, in which neither can be ahead by much on a CPU; what a loop on the device saves shows in
narrow ones.
"""

import jax
import jax.numpy as jnp

from experiments.gan.points import SIGMA, centres
from experiments.gan.step import Gan, gan_step
from mixup_jax.models.mlp import MLP

ALPHA, STEPS = 0.2, 5


def ours(width: int, size: int, iterations: int):
    """Compile the loop."""
    generator, discriminator = (MLP(classes=outputs, width=width, depth=3) for outputs in (2, 1))
    hparams, means = Gan(generator, discriminator, "demo", batch_size=size), jnp.asarray(centres("grid"))
    loop = jax.jit(
        lambda state, count: jax.lax.fori_loop(0, count, lambda _, s: gan_step(s, means, ALPHA, hparams), state)
    )
    state = jax.jit(hparams.init)(jax.random.key(0))
    jax.block_until_ready(loop(state, 0))
    return lambda: jax.block_until_ready(loop(state, iterations))


def pytorchs(width: int, size: int, iterations: int):
    """Build the same game in PyTorch."""
    import torch
    from torch import nn

    def network(outputs: int) -> nn.Sequential:
        hidden = [nn.Linear(2, width), nn.ReLU()]
        for _ in range(2):
            hidden += [nn.Linear(width, width), nn.ReLU()]
        return nn.Sequential(*hidden, nn.Linear(width, outputs))

    generator, discriminator = network(2), network(1)
    players = [torch.optim.Adam(each.parameters()) for each in (generator, discriminator)]
    means, entropy = torch.tensor(centres("grid")), nn.functional.binary_cross_entropy_with_logits
    kind = torch.cat([torch.ones(size), torch.zeros(size)])

    def points() -> torch.Tensor:
        return means[torch.randint(len(means), (size,))] + SIGMA * torch.randn(size, 2)

    def run() -> None:
        for _ in range(iterations):
            for _ in range(STEPS):
                with torch.no_grad():
                    fake = generator(torch.randn(2 * size, 2))
                x, other = (torch.cat([points(), half]) for half in fake.split(size))
                share, partner = ALPHA * torch.rand(2 * size), torch.randperm(2 * size)
                mixed = x + share[:, None] * (other[partner] - x)
                players[1].zero_grad()
                entropy(discriminator(mixed)[:, 0], kind + share * (kind[partner] - kind)).backward()
                players[1].step()
            players[0].zero_grad()
            x = torch.cat([points(), generator(torch.randn(size, 2))])
            (-entropy(discriminator(x)[:, 0], kind)).backward()
            players[0].step()

    return run
