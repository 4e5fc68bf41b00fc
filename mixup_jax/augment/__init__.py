"""Augmentations that change what an image shows: RandAugment in two forms, 3-Augment, colour jitter, random erasing.

`drawn` says what is drawn for an image; `on_host` does it to photographs while they are decoded, `in_step` to a batch
in the compiled step. `erasing` is in the step for both. `standard` is what all images get: crop, mirror, normalisation.
"""
