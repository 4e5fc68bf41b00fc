"""Say in the paper's words what was trained, and on what."""

from mixup_jax.config import Config, Data
from mixup_jax.data.sources import is_speech

PARTNERS = {
    "same_class": "same class",
    "different_class": "different class",
    "neighbours": "nearest neighbours",
    "same_class_neighbours": "nearest neighbours of the same class",
}


def method(config: Config) -> str:
    """Say in the paper's words what was trained.

    >>> from mixup_jax.config import Mixing
    >>> method(Config()), method(Config(mixing=Mixing(alpha=0.0)))
    ('mixup, alpha = 1', 'ERM')
    """
    mixing = config.mixing
    alphas = mixing.alphas or (mixing.alpha,)
    mixup = f"mixup, alpha = {', '.join(f'{alpha:g}' for alpha in alphas)}"
    cutmix = f"CutMix, alpha = {mixing.cutmix_alpha:g}"
    words = [
        {"mixup": mixup if any(alphas) else "ERM", "cutmix": cutmix, "switch": f"{mixup} or {cutmix}"}[mixing.method]
    ]
    if any(alphas) and mixing.partner in PARTNERS:
        words.append(PARTNERS[mixing.partner])
    if any(alphas) and mixing.layer != "input":
        words.append(f"at {mixing.layer}")
    if any(alphas) and mixing.labels == "larger":
        words.append("inputs only")
    if mixing.probability < 1:
        words.append(f"probability {mixing.probability:g}")
    if mixing.phase_out is not None:
        words.append("phased out from {:g} to {:g} of the training".format(*mixing.phase_out))
    if any(alphas) and mixing.unmixed_epochs:
        words.append(f"first {mixing.unmixed_epochs:g} epochs unmixed")
    if mixing.mix == "waveform":
        words.append("on waveforms")
    if config.data.noise:
        words.append(f"noise {config.data.noise:g}")
    if config.model.dropout:
        words.append(f"dropout {config.model.dropout:g}")
    if config.optimizer.ema:
        words.append(f"averaged weights ({config.optimizer.ema:g})")
    if config.mixing.label_smoothing:
        words.append(f"label smoothing {config.mixing.label_smoothing:g}")
    return " + ".join(words)


def dataset(config: Data) -> str:
    """Say what was learned from; runs on different data are not compared.

    >>> dataset(Data("cifar10", train_examples=5000, label_noise=0.4))
    'cifar10, first 5,000 images, 40 % of the labels corrupted'
    """
    words = [config.dataset]
    if config.train_subset is not None:
        index, count = config.train_subset
        words.append(f"part {index + 1} of {count}")
    if config.train_examples is not None:
        what = "recordings" if is_speech(config.dataset) else "images"
        words.append(f"first {config.train_examples:,} {what}")
    if config.label_noise:
        words.append(f"{100 * config.label_noise:g} % of the labels corrupted")
    if config.image_size != Data.image_size:
        words.append(f"{config.image_size} pixels")
    return ", ".join(words)
