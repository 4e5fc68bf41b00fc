"""Say in the paper's words what was trained, and on what."""

from mixup_jax.choices import IMAGE_SIZE, Data, Mixed, Mixup
from mixup_jax.config import Config

PARTNERS = {
    "same_class": "same class",
    "different_class": "different class",
    "neighbours": "nearest neighbours",
    "same_class_neighbours": "nearest neighbours of the same class",
}


def method(config: Config) -> str:
    """Say in the paper's words what was trained.

    >>> from mixup_jax.choices import Erm
    >>> method(Config()), method(Config(mixing=Erm()))
    ('mixup, alpha = 1', 'ERM')
    """
    mixing = config.mixing
    mixup = f"mixup, alpha = {', '.join(f'{alpha:g}' for alpha in mixing.alphas)}"
    cutmix = f"CutMix, alpha = {getattr(mixing, 'cutmix_alpha', 0):g}"
    words = [{"erm": "ERM", "mixup": mixup, "cutmix": cutmix, "switch": f"{mixup} or {cutmix}"}[mixing.name]]
    if isinstance(mixing, Mixed):
        if mixing.partner in PARTNERS:
            words.append(PARTNERS[mixing.partner])
        if isinstance(mixing, Mixup) and mixing.layer != "input":
            words.append(f"at {mixing.layer}")
        if mixing.labels == "larger":
            words.append("inputs only")
        if mixing.probability < 1:
            words.append(f"probability {mixing.probability:g}")
        if mixing.phase_out is not None:
            words.append("phased out from {:g} to {:g} of the training".format(*mixing.phase_out))
        if mixing.unmixed_epochs:
            words.append(f"first {mixing.unmixed_epochs:g} epochs unmixed")
    if config.data.mix == "waveform":
        words.append("on waveforms")
    if config.data.noise:
        words.append(f"noise {config.data.noise:g}")
    if dropout := getattr(config.model, "dropout", 0):
        words.append(f"dropout {dropout:g}")
    if depth := getattr(config.model, "stochastic_depth", 0):
        words.append(f"stochastic depth {depth:g}")
    if config.ema:
        words.append(f"averaged weights ({config.ema:g})")
    if config.label_smoothing:
        words.append(f"label smoothing {config.label_smoothing:g}")
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
        what = "recordings" if config.is_speech else "images"
        words.append(f"first {config.train_examples:,} {what}")
    if config.label_noise:
        words.append(f"{100 * config.label_noise:g} % of the labels corrupted")
    if config.image_size not in (None, IMAGE_SIZE):
        words.append(f"{config.image_size} pixels")
    return ", ".join(words)
