"""Laws of the roofline: more bytes are never faster, nothing is faster than latency, other nodes are far away."""

import dataclasses
import itertools

import pytest

from mixup_jax.planning.collectives import Collective, Part
from mixup_jax.planning.cost import Cost
from mixup_jax.planning.roofline import delay, latency_of, roofline, transfer
from mixup_jax.planning.topology import Topology
from mixup_jax.runtime.devices.chips import CHIPS

H100 = next(chip for chip in CHIPS if chip.name == "h100")
V5E = next(chip for chip in CHIPS if chip.name == "v5e")
KINDS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


def gpus(nodes, a_node):
    return Topology(f"h100:{nodes}x{a_node}", [None] * (nodes * a_node), H100, nodes)


TOPOLOGIES = [gpus(1, 8), gpus(2, 8), gpus(8, 1), Topology("v5e:4x4", [None] * 16, V5E, axes=(4, 4))]


def of(size, kind="all-reduce", group=()):
    return Collective(kind, (Part("gradients", size, "f32"),), group)


def cost(*collectives, flops=0.0, accessed=0.0, operations=0):
    return Cost(0, 0, 0, 0, flops, accessed, collectives, operations)


@pytest.mark.parametrize("topology", TOPOLOGIES, ids=lambda topology: topology.name)
@pytest.mark.parametrize("kind", KINDS)
def test_more_bytes_are_never_faster_and_none_is_faster_than_the_latency(topology, kind):
    times = [roofline(cost(of(size, kind)), topology).network for size in (0, 1, 1000, 10**6, 10**9)]
    assert all(first < second for first, second in itertools.pairwise(times))
    assert times[0] == delay(of(0, kind), topology) >= latency_of(topology.chip).hop


def test_a_step_of_many_small_collectives_takes_as_long_as_they_take_one_after_the_other():
    least = roofline(cost(*[of(8)] * 100), gpus(1, 8))
    assert least.seconds == pytest.approx(100 * delay(of(8), gpus(1, 8)), rel=1e-3)
    assert least.latency == pytest.approx(100 * delay(of(8), gpus(1, 8)))


def test_a_sum_is_sent_twice_and_what_is_gathered_or_scattered_once():
    for topology, link in ((gpus(1, 4), 450e9), (Topology("v5e:2x2", [None] * 4, V5E, axes=(2, 2)), 200e9)):
        for kind, times in (("all-reduce", 2), ("all-gather", 1), ("reduce-scatter", 1), ("all-to-all", 1)):
            assert transfer(of(8000, kind), topology) == pytest.approx(times * 8000 * 3 / 4 / link)


def test_between_nodes_is_a_slower_network_which_the_gpus_of_a_node_share():
    assert transfer(of(8000), gpus(2, 2)) == pytest.approx(2 * 8000 / 2 / 2 / 50e9)
    assert transfer(of(8000), gpus(2, 4)) > transfer(of(8000), gpus(1, 8))
    assert transfer(of(8000, "all-to-all"), gpus(2, 4)) == pytest.approx(8000 / 2 / 50e9)
    assert delay(of(8), gpus(2, 4)) > delay(of(8), gpus(1, 4))
    assert delay(of(8), gpus(16, 4)) > delay(of(8), gpus(2, 4))


def test_a_group_within_a_node_knows_nothing_of_other_nodes():
    inner, outer = (0, 1, 2, 3), (0, 4)
    assert transfer(of(8000, group=inner), gpus(2, 4)) == transfer(of(8000), gpus(1, 4))
    assert delay(of(8, group=inner), gpus(2, 4)) == delay(of(8), gpus(1, 4))
    assert transfer(of(8000, group=outer), gpus(2, 4)) == pytest.approx(2 * 8000 / 2 / 50e9)


@pytest.mark.parametrize("kind", KINDS)
def test_one_device_says_nothing(kind):
    one = gpus(1, 1)
    assert delay(of(8000, kind), one) == transfer(of(8000, kind), one) == 0


def test_a_step_takes_as_long_as_the_longest_of_its_limits():
    topology = gpus(1, 8)
    whole = roofline(cost(of(10**9), flops=1e12, accessed=1e10, operations=100), topology)
    assert whole.seconds == max(whole.arithmetic, whole.memory, whole.network, whole.launches)
    for field in ("flops", "accessed", "operations"):
        more = cost(of(10**9), **{"flops": 1e12, "accessed": 1e10, "operations": 100, field: 10**15})
        assert roofline(more, topology).seconds > whole.seconds
    empty = roofline(cost(operations=1000), topology)
    assert empty.seconds == empty.launches > 0


def test_the_precision_of_products_counts():
    step = cost(flops=1e12)
    half, tensor, full = (
        roofline(step, gpus(1, 8), *how).arithmetic for how in (("bfloat16",), ("float32",), ("float32", "highest"))
    )
    assert half == tensor / 2 < full / 10


def test_the_peak_counts_what_is_donated_once():
    assert dataclasses.replace(cost(), arguments=100, outputs=90, donated=80, temporary=7).peak == 117


def test_a_merged_collective_is_counted_for_each_of_its_purposes():
    merged = Collective("all-reduce", (Part("gradients", 400, "f32"), Part("metrics", 8, "f32")))
    assert cost(merged, of(4)).exchanged() == {"gradients": (2, 404), "metrics": (1, 8)}
