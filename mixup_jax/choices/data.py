"""The options of the data and of their augmentation."""

import os
from dataclasses import dataclass
from typing import Literal

from mixup_jax.config_checks import Checked
from mixup_jax.data.photographs.crops import TEST_CROP, Crop, Interpolation

IMAGE_SIZE = 224
"""Of photographs, where none is given."""
OF_PHOTOGRAPHS = ("image_size", "test_size", "test_crop", "crop", "interpolation")
"""Options of photographs of any size, from which images of one size are cut."""
OF_FOLDERS = ("split", "skip_bad")
"""Options of the user's own pictures."""


@dataclass(frozen=True)
class Data(Checked):
    """The training data, and how they are augmented."""

    dataset: str = "cifar10"
    """digits, fashion_mnist, cifar10, cifar100, imagenet or folder:PATH (PATH/train/<class>/*.png, PATH/test/..., or
    PATH/<class>/... with --split, or a CSV of file and label; photographs of any size with --image-size); of speech
    speech_commands, fsdd, fsdd:SPEAKER (held out), chirps or speech:PATH (PATH/<word>/*.wav)."""
    validation: float = 0.0
    """Hold N training images out as the validation set (below 1: this share), on which the best network is chosen.
    Which ones is the same for all seeds; --train-subset and --train-examples take of the others."""
    train_examples: int | None = None
    """Train on the first N images only (default: all), of the subset if there is one."""
    train_subset: tuple[int, int] | None = None
    """INDEX COUNT: train on one of COUNT disjoint parts of the training images, INDEX counted from 0."""
    label_noise: float = 0.0
    """Share of the training labels replaced by a class drawn uniformly, the true one included."""
    pad_crop: int = 4
    """Zero pixels added on each side before a random crop back to size; 0 switches it off."""
    flip: bool = True
    """Mirror images left to right at random."""
    repeats: int = 1
    """Repeated augmentation: how often a batch holds each of its images, augmented anew. An epoch sees 1 / repeats of
    the images, the next ones the others. Must divide the batch, but for imagenet's."""
    split: tuple[float, ...] | None = None
    """Folders of classes: the shares of training, validation and test set, or of training and test set. Which picture
    is where is a function of its name."""
    skip_bad: bool = False
    """Folders: leave pictures out that cannot be read."""
    image_size: int | None = None
    """Side of the square that photographs are cut and resized to: imagenet's, 224 if left out, and those of
    folder:PATH, which may have any size then and stay on disk."""
    test_size: int | None = None
    """The same for test photographs, image_size if left out."""
    test_crop: float = TEST_CROP
    """Photographs: the centre that is tested, as a share of the shorter side; 0.875 is 224 of 256 pixels."""
    crop: Crop = "torchvision"
    """Photographs: the random part to train on, as torchvision's RandomResizedCrop (8 to 100 % of the area, uniform; 10
    tries, then the centre) or TensorFlow's sample_distorted_bounding_box (from 5 %, small parts more often; 100 tries,
    then the whole photograph); or centre, the part that is tested."""
    interpolation: Interpolation = "linear"
    """Photographs: how parts are resized, fast (reduced while decoded, then linearly or by means over areas) or by
    Pillow's bicubic filter to its bits, for twice the time."""
    color_jitter: float = 0.0
    """Change brightness, contrast and colour by factors from 1 - N to 1 + N, in random order; 0 switches it off."""
    erase: float = 0.0
    """Probability of replacing a random box of the normalised image by noise (random erasing)."""
    noise: float = 0.0
    """Standard deviation of Gaussian noise added to the normalised input."""
    nyquist: bool = False
    """Speech: keep the last row of spectrograms, 161 of them in place of the paper's 160."""
    mix: Literal["spectrogram", "waveform"] = "spectrogram"
    """Speech: mix spectrograms, computed once, or waveforms, of which every step computes the spectrograms."""

    def __post_init__(self) -> None:
        """Validate the data's options."""
        super().__post_init__()
        for name in OF_PHOTOGRAPHS:
            if getattr(self, name) != getattr(type(self), name) and not self.is_streamed:
                raise ValueError(
                    f"{name} is for photographs, imagenet's and those of folder:PATH with --image-size; the images of "
                    f"{self.dataset} have their own size: leave it out{self._meant()}."
                )
        if self.validation and self.split is not None and len(self.split) == 3:
            raise ValueError(f"validation does nothing beside the second share of split {self.split}: leave it out.")
        for name in OF_FOLDERS:
            if getattr(self, name) and not self.is_folder:
                raise ValueError(f"{name} is for folder:PATH, and this is {self.dataset}: leave it out{self._meant()}.")
        if self.test_size is not None and self.test_size == (self.image_size or IMAGE_SIZE):
            raise ValueError(f"test_size is {self.test_size}, as that of the training: leave it out.")
        for name in ("color_jitter", "erase", "validation"):
            if getattr(self, name) and self.is_speech:
                raise ValueError(f"{name} is for images, and {self.dataset} is speech: leave it out.")
        for name, given in (("mix waveform", self.mix == "waveform"), ("nyquist", self.nyquist)):
            if given and not self.is_speech:
                raise ValueError(f"{name} is for speech, and {self.dataset} is none: leave it out.")

    @property
    def is_speech(self) -> bool:
        """Return whether the data are recordings.

        >>> [Data(name).is_speech for name in ("fsdd", "fsdd:theo", "speech:words", "cifar10", "chirps:theo")]
        [True, True, True, False, False]
        """
        return self.dataset in ("speech_commands", "fsdd", "chirps") or self.dataset.startswith(("speech:", "fsdd:"))

    @property
    def is_streamed(self) -> bool:
        """Return whether the images stay on disk."""
        return self.dataset == "imagenet" or (self.is_folder and self.image_size is not None)

    def _meant(self) -> str:
        """Return what to write, for an error, where the data set is the path of a folder without its prefix."""
        path = ":" not in self.dataset and (os.sep in self.dataset or os.path.isdir(self.dataset))
        return f"; a folder of your own images is folder:{self.dataset}" if path else ""

    @property
    def is_folder(self) -> bool:
        """Return whether the data are the user's own pictures."""
        return self.dataset.startswith("folder:")
