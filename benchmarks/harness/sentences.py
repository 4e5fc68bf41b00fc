"""Sentences made of figures: what the page says of them follows from what was measured."""

from collections.abc import Mapping, Sequence
from statistics import median

from benchmarks.harness.turns import digits


def compared(ratios: Sequence[float]) -> str:
    """Say what the turns agree on, of the ratios of somebody's time to ours.

    >>> compared([1.2, 1.1, 1.5])
    'takes 1.20 times as long as ours (longer in every turn)'
    >>> compared([0.9, 1.05, 1.2])
    'takes 1.05 times as long as ours (the turns do not agree which is faster)'
    """
    agreed = "the turns do not agree which is faster"
    if min(ratios) > 1:
        agreed = "longer in every turn"
    elif max(ratios) < 1:
        agreed = "less in every turn"
    return f"takes {digits(median(ratios))} times as long as ours ({agreed})"


def aim(ratios: Mapping[str, Sequence[float]], bound: float, *, least: bool = False) -> str:
    """Say which medians are within a bound, at most or `least`.

    >>> aim({"a net": [0.9, 1.0, 1.1], "a wide net": [1.2]}, 1.02)
    'The aim, at most 1.02, is met by the median of a net (1.00) and missed by that of a wide net (1.20).'
    >>> aim({"a net": [1.0004]}, 1)
    'The aim, at most 1, is missed by the median of a net (1.0004).'
    """
    medians = {name: median(each) for name, each in ratios.items()}
    met = [name for name, each in medians.items() if (each >= bound if least else each <= bound)]
    parts = []
    for names, verb in ((met, "met"), ([name for name in medians if name not in met], "missed")):
        if names:
            of = "that of" if parts else "the median of"
            parts.append(f"{verb} by {of} {listed([f'{name} ({beside(medians[name], bound)})' for name in names])}")
    return f"The aim, at {'least' if least else 'most'} {bound:g}, is {' and '.join(parts)}."


def beside(value: float, bound: float) -> str:
    """Return a number as text, with as many digits more as tell it from a bound.

    >>> beside(1.2, 1), beside(1.0, 1), beside(1.00041234, 1), beside(4.99999999, 5)
    ('1.20', '1.00', '1.0004', '4.99999999')
    """
    if value == bound or digits(value) != digits(bound):
        return digits(value)
    return str(next(rounded for places in range(2, 20) if (rounded := round(value, places)) != bound))


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does; names with commas in them are kept apart by semicolons.

    >>> listed(["a"]), listed(["a", "b", "c"]), listed(["a, large", "b"])
    ('a', 'a, b and c', 'a, large; and b')
    """
    comma = "; " if any("," in name for name in names) else ", "
    last = "; and " if comma == "; " else " and "
    return last.join([*([comma.join(names[:-1])] if names[1:] else []), names[-1]])
