"""Manifold mixup: mix hidden states (Verma et al., ICML 2019, arXiv 1806.05236; mixup's own ablation in table 5).

h~ = lam h_i + (1 - lam) h_j        y~ = lam y_i + (1 - lam) y_j        h the input of a layer, drawn anew each step

Works for any Flax Linen model by the names of its layers, without editing it. The cut points "Layer 1" to "Layer 5" of
table 5 are "stage1", ..., "stage4" and "head" of `mixup_jax.models.PreActResNet`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.core import Tracer

from mixup_jax.mixing import Mix, mix

INPUT = "input"
_compiled_apart = jax.make_user_context(None)


@contextmanager
def mix_at(plan: Mix, layer: str) -> Iterator[None]:
    """Mix the input of one layer of the Linen model that is applied in the context.

    `layer` is the path of a submodule from the model down, "stage2" or "stage2/block1"; "input" is the input of the
    model. What is mixed is its first positional argument, floating-point (batch, ...) or a tree of such, as by `mix`; a
    layer that is called several times is mixed at each call. Mix the labels with the same plan. Works under `jit`,
    `grad` and `vmap`; put the context *inside* of the function that is jitted, for what was compiled without it stays
    without it. Under `jit` the layer may also be inside of a submodule with `nn.jit` or `nn.remat`. The model may be
    applied by another method than `__call__`: its input is that method's. An NNX model has no such names: there, call
    `mix` between the layers.

    Raises ValueError when the context is left without the layer having been called, and lists those that were, and for
    a layer that is compiled in a context which is not;
    TypeError for a layer called without positional arguments. Errors of `mix` come from the layer.

    >>> import flax.linen as nn
    >>> class Model(nn.Module):
    ...     @nn.compact
    ...     def __call__(self, x):
    ...         return nn.Dense(1, use_bias=False, name="head")(jnp.abs(x))
    >>> plan = Mix(lam=jnp.array([0.75, 1.0]), partner=jnp.array([1, 0]))
    >>> params = {"head": {"kernel": jnp.ones((1, 1))}}
    >>> with mix_at(plan, "head"):
    ...     Model().apply({"params": params}, jnp.array([[8.0], [-4.0]])).tolist()
    [[7.0], [4.0]]
    """
    with at_layer(layer, partial(mix, plan)):
        yield


def input_of(layer: str, apply: Callable[[], Any]) -> Any:
    """Apply a Linen model by calling `apply`; return what the layer of this name was given, at its first call.

    Names and errors are those of `mix_at`.

    >>> from mixup_jax.models import MLP
    >>> model, x = MLP(classes=3, width=8), jnp.ones((4, 2))
    >>> variables = model.init(jax.random.key(0), x, train=False)
    >>> input_of("head", lambda: model.apply(variables, x, train=False)).shape
    (4, 8)
    """
    seen = list[Any]()

    def keep(x: Any) -> Any:
        seen.append(x)
        return x

    with at_layer(layer, keep):
        apply()
    return seen[0]


@contextmanager
def at_layer(layer: str, change: Callable[[Any], Any]) -> Iterator[None]:
    """Give one layer of the Linen model that is applied in the context `change` of its input, at each call.

    Names and errors are those of `mix_at`.
    """
    import flax.linen as nn  # here: all other methods need jax alone

    target = () if layer == INPUT else tuple(layer.split("/"))
    seen: dict[tuple[str, ...], None] = {}  # a set that keeps the order
    staged, model_runs = _is_staged(), False

    def interceptor(next_fun, args, kwargs, context):
        nonlocal model_runs
        path, name = context.module.path, context.method_name
        enters = path == () and name != "setup" and not model_runs  # by any method: model.apply(..., method="encode")
        if not enters and (name != "__call__" or path == ()):
            return next_fun(*args, **kwargs)
        seen[path] = None
        if path == target:
            if not args:
                raise TypeError(f"layer {layer!r} must be called with its input as first positional argument.")
            if _is_staged() and not staged:
                raise ValueError(
                    f"layer {layer!r} is being compiled (jax.jit, nn.jit, a scan) inside of the context and would "
                    "stay mixed: put the context into a function of yours, and jit that."
                )
            args = (change(args[0]), *args[1:])
        model_runs |= enters
        try:
            return next_fun(*args, **kwargs)
        finally:
            model_runs &= not enters

    # Submodules under nn.jit are compiled anew in each context, and for those outside of it.
    with nn.intercept_methods(interceptor), _compiled_apart(object()) if staged else nullcontext():
        yield
    if target not in seen:
        raise ValueError(_unknown(layer, target, list(seen)))


@contextmanager
def mix_at_random(rng: Array, plan: Mix, layers: Sequence[str]) -> Iterator[Array]:
    """Mix the input of one of several layers, drawn uniformly; the context's value is its index in `layers`, int32 ().

    `rng` and so the choice may be traced: one program serves all layers, lambda being 1 at those that were not chosen
    (it costs a gather and a blend at each). Verma et al. draw among the input and the first stages: ["input", "stage1",
    "stage2"]. Otherwise as `mix_at`; also ValueError for no layers or a layer that is named twice.

    >>> from mixup_jax.models import MLP
    >>> model, x = MLP(classes=3, width=8), jnp.ones((4, 2))
    >>> variables = model.init(jax.random.key(0), x, train=False)
    >>> plan = Mix(jnp.full(4, 0.5), jnp.array([1, 0, 3, 2]))
    >>> with mix_at_random(jax.random.key(1), plan, ["input", "hidden2", "head"]) as chosen:
    ...     logits = model.apply(variables, x, train=False)
    >>> int(chosen) in (0, 1, 2)
    True
    """
    if isinstance(layers, str) or not layers or len(set(layers)) < len(layers):
        raise ValueError(f"layers must be a list of different names, at least one, got {layers!r}.")
    chosen = jax.random.randint(rng, (), 0, len(layers), jnp.int32)
    with ExitStack() as stack:
        for index, layer in enumerate(layers):
            stack.enter_context(mix_at(_only_if(chosen == index, plan), layer))
        yield chosen


def _only_if(condition: Array, plan: Mix) -> Mix:
    """Return the plan, or one that leaves every example alone."""
    mask = None if plan.mask is None else jnp.where(condition, plan.mask, jnp.ones_like(plan.mask))
    return replace(plan, lam=jnp.where(condition, plan.lam, 1.0), mask=mask)


def _is_staged() -> bool:
    """Return whether what is done now goes into a program, rather than being done."""
    return isinstance(jnp.zeros(()), Tracer)


def _unknown(layer: str, target: tuple[str, ...], seen: list[tuple[str, ...]]) -> str:
    if not seen:
        return (
            f"layer {layer!r} was not mixed, as no Linen module was called in the context: apply the model inside of "
            "it, and if the model is jitted, put the context into the jitted function. In an NNX model call mix "
            "itself, between the layers."
        )
    depth = len(target)
    near = [path for path in seen if len(path) <= depth or path[-depth:] == target]
    names = ", ".join("/".join(path) or INPUT for path in near)
    hidden = "" if _is_staged() else " What was compiled before (nn.jit) is not seen: jit all, with the context inside."
    return f"layer must be one that the model calls ({names}, or deeper, by path), got {layer!r}.{hidden}"
