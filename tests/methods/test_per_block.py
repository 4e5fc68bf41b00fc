"""Laws of what is drawn once a block: the same within it, as for a batch of its own; a block of all is the batch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mixup_jax.methods import choose, draw_dirichlet
from mixup_jax.methods.table import METHODS
from mixup_jax.mixing import Mix, draw

SIZE, BLOCK = 12, 3
IMAGES = jax.random.uniform(jax.random.key(1), (SIZE, 6, 6, 1), jnp.float32)
DRAW = {
    name: lambda rng, row=row, **options: row.draw(rng, IMAGES, 1.0, partner="roll", **options)
    for name, row in METHODS.items()
    if row.draw
} | {
    "dirichlet": lambda rng, **options: draw_dirichlet(rng, SIZE, 1.0, examples=3, **options)[0],
    "choose": lambda rng, per, block: choose(rng, [draw(rng, SIZE, 1.0, per="example", block=block)], [0.5], per=per),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", DRAW)
def test_what_is_drawn_once_a_block_is_the_same_within_it(name, rng):
    plan = jax.jit(lambda rng: DRAW[name](rng, per="block", block=BLOCK))(rng)
    alike = plan.lam == 1 if name == "choose" else plan.lam if plan.mask is None else plan.mask
    alike = np.asarray(alike).reshape(SIZE // BLOCK, BLOCK, -1)
    if name != "saliencymix":  # one lambda, but each partner has its own peak
        assert (alike == alike[:, :1]).all()
    assert len(np.unique(alike[:, 0], axis=0)) > 1


@pytest.mark.thorough
@pytest.mark.parametrize("name", DRAW)
def test_a_block_of_all_is_the_batch(name, rng):
    whole, one = (DRAW[name](rng, per=per, block=SIZE) for per in ("batch", "block"))
    assert whole == one


def test_a_choice_for_each_block_needs_blocks(rng):
    with pytest.raises(ValueError, match=r"per 'block' .* needs plans with a block"):
        choose(rng, [Mix(jnp.ones(4), jnp.arange(4))], [1.0], per="block")
