"""Laws of reading a compiled program: what is in its text is found, and sized as it is."""

import pytest

from mixup_jax.planning.cost import Collective, Cost, collectives
from mixup_jax.planning.roofline import CHIPS, Chip, roofline

LINES = {
    "  %all-reduce.1 = (f32[4]{0}, f32[2,3]{1,0}, /*index=2*/bf16[8]{0}) all-reduce(%a, %b, /*index=2*/%c), to_apply=%r"
    ', metadata={op_name="jit(train_step)/transpose(jvp(Net))/conv/dot_general"}': ("all-reduce", 56, "gradients"),
    "  %all-reduce-start.2 = f32[64]{0:T(128)S(1)} all-reduce-start(%a), to_apply=%r"
    ', metadata={op_name="jit(train_step)/jvp(Net)/bn1/reduce_sum"}': ("all-reduce", 256, "BatchNorm statistics"),
    '  ROOT %r = f32[]{:T(128)} all-reduce(%a), metadata={op_name="jit(train_step)/reduce_sum"}': (
        "all-reduce",
        4,
        "metrics",
    ),
    '  %g = (bf16[2,8]{1,0}, bf16[16,8]{1,0}) all-gather-start(%a), metadata={op_name="jit(train_step)/gather"}': (
        "all-gather",
        256,
        "examples",
    ),
    "  %p = (u8[2,8]{1,0}, u8[2,8]{1,0}, u32[]{:S(2)}, u32[]{:S(2)}) collective-permute-start(%a)": (
        "collective-permute",
        16,
        "examples",
    ),
}
NOISE = """
  %d = f32[64]{0} all-reduce-done(%all-reduce-start.2)
  %fusion = f32[64]{0} fusion(%all-gather-done), kind=kLoop, calls=%all-reduce-fused
"""


@pytest.mark.parametrize("line", LINES)
def test_a_collective_is_found_sized_and_said_what_it_is_for(line):
    (found,) = collectives(f"HloModule m\n{line}\n{NOISE}")
    assert (found.kind, found.size, found.purpose) == LINES[line]


def test_all_are_found_in_their_order():
    found = collectives("\n".join(LINES) + NOISE)
    assert [(each.kind, each.size, each.purpose) for each in found] == list(LINES.values())


def test_a_sum_is_sent_twice_and_what_is_moved_once():
    chip = Chip(memory=1.0, bandwidth=10.0, flops=100.0, interconnect=1.0)
    cost = Cost(0, 0, 0, 0, 200.0, 10.0, (Collective("all-reduce", 8, ""), Collective("all-gather", 8, "")))
    least = roofline(cost, chip, 4)
    assert (least.arithmetic, least.memory, least.network) == (2.0, 1.0, 3 / 4 * (2 * 8 + 8))
    assert least.seconds == least.network
    assert roofline(cost, chip, 1).network == 0


def test_the_peak_counts_what_is_donated_once():
    assert Cost(100, 90, 80, 7, 0.0, 0.0, ()).peak == 117


def test_chips_are_in_the_same_units():
    for chip in CHIPS.values():
        assert 1e10 < chip.memory < 1e12
        assert 1e11 < chip.interconnect < chip.bandwidth < 1e13
        assert 1e14 < chip.flops < 1e16
