"""One plan over a batch of many things: a rule for each leaf, and padding that is left alone."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from mixup_jax.methods.labels import maximum, parents
from mixup_jax.mixing import Mix, checked, describe, mix, on_any_mesh, take_partner

RULES = ("mix", "keep", "partner", "union", "refuse")


def mix_by_rule(plan: Mix, tree: Any, rules: Any, other: Any = None) -> Any:
    """Treat each leaf of `tree` by its rule: images, masks, token ids, audio and labels of one batch, with one plan.

    `rules` is a tree like `tree` or a prefix of it (a rule holds for all leaves below it):

    * "mix": mixed as by `mix`, with its errors.
    * "keep": left as it is (a file name's hash, a key).
    * "partner": becomes the tuple (own, partner's), which the model or the loss mixes later (token ids, class ids).
    * "union": the maximum of the parents that are really there, as by `union` (which dies a wafer has, key padding).
    * "refuse": an error, for what should never get here.

    `other`, a tree like `tree`, is where the partners are, as in `mix`.

    Raises TypeError for a leaf with the rule "refuse", ValueError for an unknown rule or rules that do not fit.

    >>> plan = Mix(lam=jnp.array([0.75, 1.0]), partner=jnp.array([1, 0]))
    >>> batch = {"audio": jnp.array([[8.0], [4.0]]), "text": jnp.array([5, 6])}
    >>> mixed = mix_by_rule(plan, batch, {"audio": "mix", "text": "partner"})
    >>> mixed["audio"].tolist(), [ids.tolist() for ids in mixed["text"]]
    ([[7.0], [4.0]], [[5, 6], [6, 5]])
    """
    try:
        rule_of = jax.tree.leaves(jax.tree.broadcast(rules, tree))
    except ValueError as error:
        raise ValueError(f"rules must have the structure of the tree or of its upper part: {error}") from error
    leaves, structure = jax.tree_util.tree_flatten_with_path(tree)
    others = [leaf for _, leaf in leaves] if other is None else structure.flatten_up_to(other)
    blended = _blended(plan, structure, rule_of, [leaf for _, leaf in leaves], others)
    result = []
    for (path, leaf), rule, partners in zip(leaves, rule_of, others, strict=True):
        name = f"leaf{jax.tree_util.keystr(path)}"
        if rule == "mix":
            result.append(next(blended))
        elif rule == "keep":
            result.append(leaf)
        elif rule == "partner":
            result.append(parents(plan, leaf, partners, name, ids=True)[:2])
        elif rule == "union":
            own, theirs, lam = parents(plan, leaf, partners, name)
            result.append(maximum(own, lam > 0, theirs, lam < 1))
        elif rule == "refuse":
            raise TypeError(f"{name} is {describe(jnp.asarray(leaf))}, and its rule is to refuse it.")
        else:
            raise ValueError(f"the rule of {name} must be one of {', '.join(RULES)}, got {rule!r}.")
    return jax.tree.unflatten(structure, result)


def leave_padding(plan: Mix, valid: ArrayLike, other_valid: ArrayLike | None = None) -> Mix:
    """Return the plan with padding, and examples whose partner is padding, left unmixed: lambda 1, mask all its own.

    `valid` is bool (batch,), or numbers that are 0 for padding such as loss weights; `other_valid` (n,) says the same
    of the batch that the partners come from, if it is another one. Weights mix like any leaf,
    ``mix(plan, (x, y, weight))``: those of padding stay 0 and those of the others never meet them, so that padding has
    no part in a weighted loss. Padding must hold finite numbers where the partners are from another batch.

    Raises ValueError for shapes that do not fit.

    >>> plan = Mix(lam=jnp.array([0.5, 0.5, 0.5]), partner=jnp.array([1, 0, 0]))
    >>> leave_padding(plan, jnp.array([True, True, False])).lam.tolist()
    [0.5, 0.5, 1.0]
    """
    plan, valid = checked(plan), jnp.asarray(valid).astype(bool)
    if valid.shape != plan.lam.shape:
        raise ValueError(f"valid must be {plan.lam.shape}, got shape {valid.shape}.")
    others = valid if other_valid is None else jnp.asarray(other_valid).astype(bool)
    if others.ndim != 1:
        raise ValueError(f"other_valid must be (n,), got shape {others.shape}.")
    mixed = valid & take_partner(plan, others)

    def where_mixed(mixed: Array, own: Array, unmixed: Array) -> Array:
        return jnp.where(mixed.reshape(-1, *[1] * (own.ndim - 1)), own, unmixed)

    choose, mask, partner = on_any_mesh(where_mixed, valid, 1), plan.mask, plan.partner
    lam = choose(mixed, plan.lam, jnp.ones_like(plan.lam))
    if mask is not None:
        mask = choose(mixed, mask, jnp.ones_like(mask))
    if other_valid is None:  # each its own partner: what padding holds, even NaN, stays there
        partner = choose(mixed, partner, jnp.arange(partner.shape[0], dtype=partner.dtype))
    return replace(plan, lam=lam, partner=partner, mask=mask)


def _blended(plan: Mix, structure: Any, rules: list[Any], leaves: list[Any], others: list[Any]) -> Any:
    """Mix the leaves with the rule "mix", with one call, so that an error names a leaf by its place in the tree."""

    def only_these(values: list[Any]) -> Any:
        return jax.tree.unflatten(
            structure, [v if rule == "mix" else None for v, rule in zip(values, rules, strict=True)]
        )

    return iter(jax.tree.leaves(mix(plan, only_these(leaves), only_these(others))))
