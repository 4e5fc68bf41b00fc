"""What a network costs: its parameters, multiply-adds and memory, counted without computing anything."""

import math
from functools import partial

import jax
import jax.numpy as jnp

IMAGE = jax.ShapeDtypeStruct((1, 224, 224, 3), jnp.float32)


def parameters_and_multiply_adds(model):
    """Return the number of parameters, and of multiplications in convolutions and matrix products of one image."""
    forward = partial(model.init_with_output, train=False)
    jaxpr, (_, variables) = jax.make_jaxpr(forward, return_shape=True)(jax.random.key(0), IMAGE)
    return sum(leaf.size for leaf in jax.tree.leaves(variables["params"])), _count(jaxpr.jaxpr)


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


def _count(jaxpr):
    total = 0
    for equation in jaxpr.eqns:
        out = equation.outvars[0].aval
        if equation.primitive.name == "conv_general_dilated":
            kernel = equation.invars[1].aval.shape  # the last axis is the outputs
            total += math.prod(out.shape) * math.prod(kernel[:-1])
        elif equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            total += math.prod(out.shape) * math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
        elif equation.primitive.name == "cond":  # the platform's way, and last the native operation
            total += _count(equation.params["branches"][-1].jaxpr)
        else:
            inner = [getattr(value, "jaxpr", value) for value in equation.params.values()]
            total += sum(_count(each) for each in inner if hasattr(each, "eqns"))
    return total
