"""Count the operations of a program in matrix products and convolutions, as model FLOP utilisation does."""

import math
from typing import Any

CALLED = ("jaxpr", "call_jaxpr", "fun_jaxpr", "body_jaxpr")
"""Parameters of JAX's operations that hold programs."""


def count_operations(program: Any) -> float:
    """Return the floating-point operations of a jaxpr in matrix products and convolutions; a multiply-add is two.

    The body of a scan counts as often as it runs, that of any other loop once: of a training program of many steps
    these are the operations of a step. Of the branches of a condition the largest counts. Of what is computed again
    in the backward pass (``remat``) both times count. Nothing is compiled.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> count_operations(jax.make_jaxpr(lambda x, y: x @ y)(jnp.ones((2, 3)), jnp.ones((3, 5))))  # 2 x 3 x 5, twice
    60.0
    """
    return float(sum(map(_of_equation, getattr(program, "jaxpr", program).eqns)))


def _of_equation(equation: Any) -> float:
    """Return the operations of one equation of a jaxpr."""
    name, params = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = params["dimension_numbers"]
        return 2 * _size(equation.outvars[0]) * math.prod(equation.invars[0].aval.shape[axis] for axis in contracted)
    if name == "conv_general_dilated":
        return _of_convolution(equation)
    if name == "cond":
        return max(map(count_operations, params["branches"]))
    inner = [params[each] for each in CALLED if each in params]
    return params.get("length", 1) * sum(map(count_operations, inner)) if inner else 0.0


def _of_convolution(equation: Any) -> float:
    """Return the operations of a convolution: of each of its results one product with the kernel of its group.

    Where the input or kernel is dilated, as in gradients of strided convolutions, products with the zeros between are
    no operations.
    """
    kernel, params = equation.invars[1].aval.shape, equation.params
    _, in_axis, *space = params["dimension_numbers"].rhs_spec
    products = math.prod(kernel[axis] for axis in (in_axis, *space)) * _size(equation.outvars[0])
    return 2 * products / math.prod(params["lhs_dilation"])


def _size(variable: Any) -> int:
    return math.prod(variable.aval.shape)
