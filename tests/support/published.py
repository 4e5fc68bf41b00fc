"""What a network costs: its parameters, multiply-adds and memory, counted without computing anything."""

import jax
import jax.numpy as jnp

from mixup_jax.models.size import size as size_of


def parameters_and_multiply_adds(model):
    """Return the number of parameters, and of multiplications in convolutions and matrix products of one image."""
    return size_of(model, (224, 224, 3))


def kept_for_backward(model, size):
    """Return the numbers that the gradient takes over from the forward pass of two images, without parameters."""
    image = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
    key = jax.random.key(0)
    variables = jax.eval_shape(lambda: model.init(key, jnp.zeros(image.shape), train=False))

    def residuals(variables, image):
        def forward(params):
            options = {"train": True, "mutable": ["batch_stats"], "rngs": {"dropout": key}}
            return model.apply(variables | {"params": params}, image, **options)[0]

        return jax.vjp(forward, variables["params"])[1]

    kept = jax.eval_shape(residuals, variables, image)
    return sum(leaf.size for leaf in jax.tree.leaves(kept)) - sum(a.size for a in jax.tree.leaves(variables["params"]))
