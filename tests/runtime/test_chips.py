"""Laws of the table of chips: one chip a name, one unit a column, more precision is never faster."""

from dataclasses import fields

import pytest

from mixup_jax.runtime.devices.chips import CHIPS, PASSES, chip_of


def test_each_name_and_each_kind_is_one_chip():
    assert len({chip.name for chip in CHIPS}) == len(CHIPS)
    kinds = [kind for chip in CHIPS for kind in chip.kinds]
    assert len(set(kinds)) == len(kinds)
    assert all(kind in chip_of(kind).kinds for kind in kinds)


@pytest.mark.parametrize("kind", ["cpu", "", "NVIDIA H100", "NVIDIA H100 PCIe", "TPU v2", "nvidia h200"])
def test_a_chip_that_is_not_in_the_table_is_none_rather_than_one_that_is_like_it(kind):
    assert chip_of(kind) is None


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.name)
def test_columns_are_in_one_unit(chip):
    assert 1e10 < chip.memory < 1e12
    assert 2**20 <= chip.on_chip < chip.memory / 100
    assert (chip.between_nodes or 0) < chip.interconnect < chip.bandwidth < 1e13
    assert 1e14 < chip.bfloat16 < 1e16
    assert all(getattr(chip, field.name) is None or getattr(chip, field.name) for field in fields(chip))


@pytest.mark.parametrize("chip", CHIPS, ids=lambda chip: chip.name)
def test_more_precision_is_never_faster(chip):
    rates = [chip.flops("bfloat16"), *(chip.flops("float32", precision) for precision in PASSES)]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0]
    assert chip.flops("float16", "highest") == chip.flops("bfloat16")


def test_what_has_no_rate_is_refused():
    with pytest.raises(ValueError, match=r"dtype must be .*, got 'float64'"):
        CHIPS[0].flops("float64")
    with pytest.raises(ValueError, match="precision must be one of default, high, highest, got 'float32'"):
        CHIPS[0].flops("float32", "float32")
