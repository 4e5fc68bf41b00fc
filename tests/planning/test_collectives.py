"""Laws of reading collectives: merged ones are taken apart, each part is for what it was, none is counted twice.

Programs are lines of compiled ones, shortened: of a step of a PreAct ResNet with four channels, and of a step of two
matrices that eight devices hold in four parts (JAX 0.10.2 and 0.12.0.1, libtpu 0.0.52).
"""

from pathlib import Path

import pytest

from mixup_jax.planning.collectives import collectives

STEP = "jit(train_step)/"
PROGRAMS = Path(__file__).parent / "programs"
MIB = 2**20
FOUR = (0, 1, 2, 3)
EXPECTED = {
    "gpu_step": [
        ("all-gather", {"images": 16 * 32 * 32 * 3 * 4, "labels": 16 * 10 * 4}, (0, 1)),
        ("all-reduce", {"BatchNorm statistics": 32}, (0, 1)),
        ("all-reduce", {"gradients": 432, "metrics": 8}, (0, 1)),
    ],
    "gpu_split_state": [
        ("all-gather", {"parameters gathered": 16 * MIB}, FOUR),
        ("reduce-scatter", {"gradients scattered": 16 * MIB}, FOUR),
        ("all-reduce", {"gradients": 4 * MIB}, (0, 4)),
    ],
    "tpu_split_state": [
        ("all-gather", {"parameters gathered": 4 * MIB}, FOUR),
        ("reduce-scatter", {"gradients scattered": 8 * MIB}, FOUR),
    ],
}


def read(name):
    return collectives((PROGRAMS / f"{name}.txt").read_text())


def sizes(collective):
    found = {}
    for part in collective.parts:
        found[part.purpose] = found.get(part.purpose, 0) + part.size
    return found


@pytest.mark.parametrize("name", EXPECTED)
def test_each_is_found_once_with_all_that_it_is_for(name):
    found = read(name)
    assert [(each.kind, sizes(each), each.group) for each in found] == EXPECTED[name]
    assert all(each.size == sum(sizes(each).values()) for each in found)


def test_what_is_gathered_keeps_its_type():
    gathered, *_ = read("gpu_step")
    assert gathered.purposes == ("images", "labels")
    assert [part.dtype for part in gathered.parts] == ["f32", "f32"]
    assert read("tpu_split_state")[0].parts[0].dtype == "bf16"


LINES = {
    "%a = (f32[4]{0}, f32[2,3]{1,0}, /*index=2*/bf16[8]{0}) all-reduce(%x, %y, /*index=2*/%z), to_apply=%r"
    f', metadata={{op_name="{STEP}transpose(jvp(Net))/conv/dot_general"}}': ("all-reduce", 56, "gradients"),
    f'%b = f32[64]{{0:T(128)S(1)}} all-reduce-start(%x), metadata={{op_name="{STEP}jvp(Net)/bn1/reduce_sum"}}': (
        "all-reduce",
        256,
        "BatchNorm statistics",
    ),
    f'ROOT %c = f32[]{{:T(128)}} all-reduce(%x), metadata={{op_name="{STEP}reduce_sum"}}': ("all-reduce", 4, "metrics"),
    f'%d = (bf16[2,8]{{1,0}}, bf16[16,8]{{1,0}}) all-gather-start(%x), metadata={{op_name="{STEP}gather"}}': (
        "all-gather",
        256,
        "images",
    ),
    "%e = (u8[2,8]{1,0}, u8[2,8]{1,0}, u32[]{:S(2)}, u32[]{:S(2)}) collective-permute-start(%x)": (
        "collective-permute",
        16,
        "images",
    ),
    f'%f = f32[8,4]{{1,0}} all-reduce(%x), metadata={{op_name="{STEP}jvp(Net)/dense/dot_general"}}': (
        "all-reduce",
        128,
        "activations",
    ),
    f'%k = f32[8,4]{{1,0}} all-reduce(%x), metadata={{op_name="{STEP}transpose(jvp(Net))/stage2/gather"}}': (
        "all-reduce",
        128,
        "activations",
    ),
    "%g = f32[4]{0} reduce-scatter(%x), replica_groups=[2,4]<=[8], "
    f'metadata={{op_name="{STEP}transpose(jvp(Net))/conv"}}': ("reduce-scatter", 64, "gradients scattered"),
}


@pytest.mark.parametrize("line", LINES)
def test_a_line_alone_is_sized_and_said_what_it_is_for(line):
    noise = "%h = f32[64]{0} all-reduce-done(%b)\n  %i = f32[64]{0} fusion(%h), calls=%all-reduce-fused"
    (found,) = collectives(f"ENTRY %main (x: f32[4]) -> f32[] {{\n  {line}\n  {noise}\n}}\n")
    assert (found.kind, found.size, *found.purposes) == LINES[line]
