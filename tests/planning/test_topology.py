"""Laws of topologies: what does not exist is refused in one line that says what does, before anything is loaded."""

import importlib.util

import jax
import pytest
from jaxlib import xla_client

from mixup_jax.planning import topology
from mixup_jax.planning.gpus import SILICON, target_of
from mixup_jax.planning.topology import topology_of
from mixup_jax.runtime.devices.chips import CHIPS


@pytest.fixture
def known(monkeypatch):
    """Stand in for the compilers of GPUs and TPUs."""
    monkeypatch.setattr(topology, "gpu_devices", lambda chip, nodes, gpus: [chip.name] * (nodes * gpus))
    monkeypatch.setattr(topology, "_tpu_devices", lambda name: [name])


@pytest.mark.parametrize(
    ("name", "nodes", "a_node"),
    [("h100:8", 1, 8), ("h100:2x8", 2, 8), ("a100:1", 1, 1), ("b200:64x8", 64, 8), ("a100-40gb:4x4", 4, 4)],
)
def test_gpus_are_nodes_times_gpus(known, name, nodes, a_node):
    found = topology_of(name)
    assert (found.nodes, found.a_node, len(found.devices)) == (nodes, a_node, nodes * a_node)
    assert found.chip.name == name.partition(":")[0]


@pytest.mark.parametrize("name", ["v5e:1x1", "v5e:4x4", "v6e:16x16", "v5p:2x2x1", "v5p:4x4x4", "v5p:8x16x16"])
def test_slices_of_tpus_keep_their_axes(known, name):
    found = topology_of(name)
    assert (found.nodes, "x".join(map(str, found.axes))) == (1, name.partition(":")[2])


@pytest.mark.parametrize(
    "name",
    [
        *("", ":", "h100", "h100:", "h100:0", "h100:9", "h100:16", "h100:2x9", "h100:65x8", "h100:2x4x4", "h100:08"),
        *(
            "h100:-8",
            "h100:8x",
            "h100:x8",
            "h100: 8",
            "H100:8",
            "h300:8",
            "NVIDIA H100:8",
            "h100:٨",
            "h100:99999999999",
        ),
        *("v5e:3x5", "v5e:6x6", "v5e:4x2", "v5e:32x32", "v5e:4", "v5p:4x4", "v5p:4x4x6", "v5p:8x4x4", "v5p:4x4x28"),
        *("v4:2x2x1", "cpu", "cpu:0", "cpu:9999", "cpu:2x4", "cpu:99999999999999999999"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_does(name):
    with pytest.raises(ValueError, match="does not exist: there are a100, ") as error:
        topology_of(name)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in (repr(name), "h100:2x8", "8x16", "2x2x1", "cpu:N"))


def test_more_cpus_than_this_process_has_are_refused():
    assert len(jax.devices()) == 8  # JAX runs: it would make as many as it is told, before its start
    with pytest.raises(ValueError, match="needs 500 devices; this process has 8"):
        topology_of("cpu:500")


def test_without_their_compilers_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"the extra \[plan\]: pip install '\.\[plan\]'"):
        topology_of("v5e:4x4")
    monkeypatch.setattr(xla_client, "pjrt_plugin_loaded", lambda name: False)
    with pytest.raises(ValueError, match=r"the extra \[plan-gpu\]: pip install '\.\[plan-gpu\]'"):
        topology_of("h100:8")


@pytest.mark.parametrize("name", SILICON)
def test_the_description_of_a_gpu_holds_its_limits(name):
    chip = next(chip for chip in CHIPS if chip.name == name)
    text = target_of(chip)
    assert text.count("{") == text.count("}") == 3
    facts = dict(zip(text.split()[:-1], text.split()[1:], strict=True))
    clock, lanes = float(facts["clock_rate_ghz:"]) * 1e9, int(facts["fpus_per_core:"]) * int(facts["core_count:"])
    assert 2 * lanes * clock == pytest.approx(chip.float32, rel=1e-3)
    assert 1.3e9 < clock < 2.1e9
    assert int(facts["device_memory_size:"]) == chip.memory
    assert int(facts["shared_memory_per_block_optin:"]) < int(facts["shared_memory_per_core:"]) < 2**18
    assert chip.kinds[0] in text
