"""Laws of what is known of defects by their names."""

import pytest

from experiments.wafer.patterns import DEFECTS, exclusive, whole_wafer


@pytest.mark.parametrize(
    "spelt", [str.lower, str.upper, lambda name: name.replace("-", "_"), lambda name: name.replace("-", " ").title()]
)
def test_what_is_known_of_a_type_does_not_depend_on_its_spelling(spelt):
    names = tuple(spelt(name) for name in DEFECTS)
    assert whole_wafer(names) == whole_wafer(DEFECTS) == [5, 7]
    assert exclusive(names) == exclusive(DEFECTS) == [(0, 1), (2, 3)]


def test_wm811ks_spelling_is_known():
    assert whole_wafer(("Loc", "Near-full")) == [1]


def test_nothing_is_known_of_other_names():
    names = ("Full", "Nearly-Full", "Randomly", "Centre", "Donuts", "Edge", "Ring")
    assert whole_wafer(names) == exclusive(names) == []
