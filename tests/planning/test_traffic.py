"""Laws of counting traffic: what stays on the chip is free, what is copied is moved once, loops count their runs."""

import pytest

from mixup_jax.planning.cost import memory_traffic

MAIN, CHIP = "f32[256]{0:T(256)}", "f32[256]{0:T(256)S(1)}"
KILO = 1024  # bytes of each array below

BODIES = {
    "read and write": (f"%b = {MAIN} negate(%a)", 2 * KILO),
    "read": (f"%b = {CHIP} negate(%a)", KILO),
    "stays on the chip": (f"%b = {CHIP} negate(%a)\n  %c = {CHIP} add(%b, %b)", KILO),
    "two operands": (f"%b = {CHIP} fusion(%a, %a), kind=kLoop, calls=%f", 2 * KILO),
    "a copy is moved once": (
        f"%s = ({CHIP}, {MAIN}, u32[]{{:S(2)}}) copy-start(%a)\n  %d = {CHIP} copy-done(%s)",
        KILO,
    ),
    "a piece is moved, not the whole": (
        f"%s = (({MAIN}), f32[64]{{0:T(256)S(1)}}, s32[]{{:S(2)}}) slice-start(%a), slice={{[0:64]}}\n"
        "  %d = f32[64]{0:T(256)S(1)} slice-done(%s)",
        KILO // 4,
    ),
    "a name costs nothing": (
        f"%t = ({MAIN}, {MAIN}) tuple(%a, %a)\n  %g = {MAIN} get-tuple-element(%t), index=0\n  %b = {CHIP} negate(%g)",
        KILO,
    ),
    "a loop counts its runs": (
        f'%w = {MAIN} while(%a), condition=%cond, body=%body, backend_config={{"known_trip_count":{{"n":"5"}}}}',
        5 * 2 * KILO,
    ),
    "a loop of unknown length counts once": (f"%w = {MAIN} while(%a), condition=%cond, body=%body", 2 * KILO),
}


def program(body):
    inner = f"%body (p: f32[256]) -> f32[256] {{\n  %p = {MAIN} parameter(0)\n  ROOT %n = {MAIN} negate(%p)\n}}\n"
    return (
        f"HloModule m\n\n{inner}\nENTRY %main (a: f32[256]) -> f32[256] {{\n  %a = {MAIN} parameter(0)\n  {body}\n}}\n"
    )


@pytest.mark.parametrize("name", BODIES)
def test_traffic(name):
    body, expected = BODIES[name]
    assert memory_traffic(program(body))[0] == expected


def test_a_gathered_whole_is_written_once_and_its_part_read_once():
    part, whole = "f32[256]{0}", "f32[1024]{0}"
    for start in ("", "-start"):
        result = f"(({part}), {whole})" if start else whole
        assert memory_traffic(program(f"%g = {result} all-gather{start}(%a)"))[0] == 5 * KILO


def test_operations_are_those_that_compute_or_send_and_a_loop_counts_its_runs():
    counts = {name: memory_traffic(program(body))[1] for name, (body, _) in BODIES.items()}
    assert counts["read"] == 1
    assert counts["stays on the chip"] == 2
    assert counts["a copy is moved once"] == 1
    assert counts["a name costs nothing"] == 1
    assert counts["a loop counts its runs"] == 5
    assert counts["a loop of unknown length counts once"] == 1


def test_a_gpu_keeps_everything_in_main_memory():
    text = "ENTRY %main (a: f32[8]) -> f32[8] {\n  %a = f32[8]{0} parameter(0)\n  ROOT %b = f32[8]{0} negate(%a)\n}\n"
    assert memory_traffic(text) == (64, 1)
