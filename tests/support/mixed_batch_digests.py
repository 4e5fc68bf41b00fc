"""Print a digest of the mixed batches of some steps, made on these devices.

python mixed_batch_digests.py [COORDINATOR PROCESSES PROCESS_ID]
"""

import hashlib
import sys

import jax
import numpy as np
from batches import batch_indices
from jax.experimental import multihost_utils
from tiny_runs import BATCH, DATA, PREACT, TRAIN, changed

from mixup_jax.runtime.devices.distributed import join
from mixup_jax.runtime.devices.mesh import make_mesh, place, shard
from mixup_jax.steps.recipe import make_recipe
from mixup_jax.steps.train_step import mixed_batch
from mixup_jax.training.programs import order_key


def show(fields):
    """Print step and digest of three mixed batches of a configuration."""
    mesh, recipe = make_mesh(1, BATCH), make_recipe(changed(PREACT, **fields), DATA)

    @jax.jit
    def draw_batch(step, image, label):
        rng = jax.random.key(3)
        index = batch_indices(order_key(rng), step, BATCH, TRAIN)
        batch = {"image": image[index], "label": label[index]}
        batch = jax.lax.with_sharding_constraint(batch, shard(mesh, "data"))
        return mixed_batch(jax.random.fold_in(rng, step), batch, 1.0, step, recipe)

    examples = [place(array, shard(mesh)) for array in (DATA.train_image, DATA.train_label)]
    for step in (0, 2, 5):
        batch = draw_batch(np.int32(step), *examples)
        if jax.process_count() > 1:
            batch = multihost_utils.process_allgather(batch, tiled=True)
        bits = b"".join(np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(batch))
        print("digest", step, hashlib.sha256(bits).hexdigest())


if __name__ == "__main__":
    if len(sys.argv) > 1:
        join(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    for options in ({}, {"per": "example", "block": 2}, {"method": "switch", "partner": "same_class"}):
        show(options)
