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
    assert memory_traffic(program(body)) == expected


def test_other_machines_programs_say_nothing_of_memory_on_the_chip():
    assert memory_traffic("ENTRY %main (a: f32[8]) -> f32[8] {\n  %a = f32[8]{0} parameter(0)\n}\n") is None
