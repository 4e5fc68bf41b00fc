"""What a configuration on wafer maps does, in words: all of it, or what is new beside another."""

from mixup_jax.training.wafer_config import WaferConfig

PLAIN = ("of any types", "with the background of each", "sigmoid", "not turned", "judged as it is")
"""What goes without saying, unless it is new."""


def words(config: WaferConfig, before: WaferConfig | None = None) -> str:
    """Say how a network is trained, by overlays; with another configuration, what is new in this one.

    >>> from dataclasses import replace
    >>> start = WaferConfig(steps=500)
    >>> words(start)
    'overlay of two maps, 400 maps of each defect, 500 steps, width 32'
    >>> words(replace(start, steps=2000), start)
    '+ 2,000 steps in place of 500'
    """
    if config.data.learn_mixed:
        return "no recipe: learned from mixed maps, as a bound"
    texts, numbers = _texts(config), _numbers(config)
    if before is None:
        shown = [text for text in texts if text not in PLAIN]
        return ", ".join(shown + [text.format(number) for text, number in numbers.items()])
    new = [text for text, old in zip(texts, _texts(before), strict=True) if text != old]
    for text, old in _numbers(before).items():
        if numbers[text] != old:
            new.append(f"{text.format(numbers[text])} in place of {old:,}")
    return f"+ {', '.join(new)}" if new else "the same again"


def _texts(config: WaferConfig) -> list[str]:
    composing = config.composing
    two = composing.maps == 2 and composing.probability == 1
    often = f", each further one with probability {composing.probability:g}" if composing.probability < 1 else ""
    return [
        "overlay of two maps" if two else f"overlay of up to {composing.maps}{often}",
        "of any types" if composing.pairs == "any" else "of types that occur together",
        f"with the background of {'each' if composing.background == 'add' else 'one map'}",
        composing.head,
        "turned and mirrored" if config.data.turns else "not turned",
        "judged by the mean of eight turns" if config.data.turns and config.data.average else "judged as it is",
    ]


def _numbers(config: WaferConfig) -> dict[str, int]:
    maps = {"{:,} maps of each defect": config.data.train_maps} if config.data.source == "generator" else {}
    return maps | {"{:,} steps": config.steps, "width {}": config.model.width}
