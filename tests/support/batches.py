"""Which images a step sees, by the definition: what the program of many steps must agree with."""

from mixup_jax.training.programs import take_indices, two_epochs


def batch_indices(rng, step, batch_size, n):
    """Return the indices into `n` images of the batch of `step`, which may be traced."""
    order, first_epoch = two_epochs(rng, step, batch_size, n)
    return take_indices(order, first_epoch, step, batch_size)
