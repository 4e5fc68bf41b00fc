"""Predictions for files in PyTorch, the way people write it: a DataLoader with workers, Pillow, a network of timm."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Photographs(Dataset):
    """Files as inputs: the shorter side resized, the centre cut out, normalised."""

    def __init__(self, files: Sequence[Path], size: int, shorter: int):
        self.files, self.size, self.shorter = [str(file) for file in files], size, shorter
        self.mean, self.std = (torch.tensor(each).view(3, 1, 1) for each in (MEAN, STD))

    def __len__(self) -> int:
        """Return the number of files."""
        return len(self.files)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Return an input (3, size, size)."""
        with Image.open(self.files[index]) as picture:
            scale = self.shorter / min(picture.size)
            width, height = (round(side * scale) for side in picture.size)
            resized = picture.convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
        left, top = (width - self.size) // 2, (height - self.size) // 2
        pixels = np.array(resized.crop((left, top, left + self.size, top + self.size)))
        return (torch.from_numpy(pixels).permute(2, 0, 1).float() / 255 - self.mean) / self.std


def predictor(
    files: Sequence[Path], model: str, size: int, shorter: int, batch_size: int, workers: int
) -> Callable[[], int]:
    """Return a function that predicts all files and counts them; workers are started once, before it is called.

    They are spawned, not forked: this process has threads.
    """
    import timm  # pyright: ignore[reportMissingImports]

    network = timm.create_model(model, num_classes=1000).eval()
    options = {"multiprocessing_context": "spawn", "persistent_workers": True} if workers else {}
    loader = DataLoader(Photographs(files, size, shorter), batch_size, num_workers=workers, **options)

    @torch.inference_mode()
    def predict() -> int:
        return sum(len(network(batch).softmax(1).numpy()) for batch in loader)

    return predict
