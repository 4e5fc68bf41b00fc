"""Laws of planning: the step that is compiled is the one that trains, and its price list is right."""

import io
from dataclasses import replace

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache
from rich.console import Console

from experiments.imagenet.presets import PRESETS
from experiments.plan import __main__ as plan
from experiments.plan.table import bytes_of
from mixup_jax.choices import Data, Mixup
from mixup_jax.choices.networks import MLP, PreActResNet
from mixup_jax.config import Config
from mixup_jax.planning import aot as ahead
from mixup_jax.planning.cost import cost_of
from mixup_jax.planning.topology import Topology, topology_of
from mixup_jax.runtime.devices.chips import chip_of

TINY = Config(
    data=Data("cifar10", pad_crop=0, flip=False),
    model=PreActResNet(width=4, blocks=(1, 1)),
    mixing=Mixup(block=2),
    batch_size=16,
)
IMAGE = 32 * 32 * 3


@pytest.fixture(scope="module")
def costs():
    cases = {
        "block": (TINY, "cpu:8"),
        "whole": (replace(TINY, mixing=Mixup()), "cpu:8"),
        "runs": (replace(TINY, norm_block=2), "cpu:8"),
        "half": (replace(TINY, batch_size=8), "cpu:4"),
    }
    jax.config.update("jax_disable_most_optimizations", True)  # what the devices say to each other stays the same
    yield {
        name: cost_of(ahead.compile_step(config, topology_of(where).devices)) for name, (config, where) in cases.items()
    }
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.mark.thorough
def test_the_step_sums_gradients_and_statistics_and_moves_no_image(costs):
    cost, state = costs["block"], ahead.abstract_state(TINY)
    exchanged = cost.exchanged()
    # Every gradient once, and with it the backward pass of BatchNorm: two sums a channel, one of them the bias's.
    assert 1.0 <= exchanged["gradients"][1] / bytes_of(state.params) < 1.2
    assert exchanged["BatchNorm statistics"][1] == bytes_of(state.batch_stats)  # first and second moments
    assert not cost.moved(1)
    assert exchanged.keys() <= {"gradients", "BatchNorm statistics", "metrics"}


@pytest.mark.thorough
def test_partners_from_the_whole_batch_move_all_of_it(costs):
    (moved,) = costs["whole"].moved(IMAGE)
    assert moved.kind == "all-gather"
    sizes = {part.purpose: part.size for part in moved.parts}
    assert sizes["images"] == TINY.batch_size * IMAGE  # bytes, before the normalisation
    assert costs["whole"].exchanged()["gradients"] == costs["block"].exchanged()["gradients"]


@pytest.mark.thorough
def test_statistics_of_runs_that_stay_on_a_device_wait_for_no_other(costs):
    """Gradients and the means for evaluation are one sum, after the backward pass."""
    (one,) = costs["runs"].collectives
    state = ahead.abstract_state(TINY)
    assert 1.0 <= one.size / (bytes_of(state.params) + bytes_of(state.batch_stats)) < 1.1
    assert len(costs["block"].collectives) > 5


@pytest.mark.thorough
def test_twice_the_devices_for_twice_the_batch_cost_each_device_the_same(costs):
    one, two = costs["half"], costs["block"]
    assert one.exchanged() == two.exchanged()
    assert (one.arguments, one.outputs, one.donated) == (two.arguments, two.outputs, two.donated)
    # What is drawn for the whole batch, one lambda and the partners, is drawn on every device.
    assert one.flops <= two.flops < 1.01 * one.flops
    assert one.temporary <= two.temporary < 1.01 * one.temporary


@pytest.mark.thorough
def test_the_state_is_donated_and_the_arguments_are_what_they_are(costs):
    state = ahead.abstract_state(TINY)
    share = TINY.batch_size // 8
    floats = bytes_of((state.params, state.batch_stats, state.opt_state))
    for cost in costs.values():
        assert floats <= cost.donated <= cost.outputs
        assert floats + share * IMAGE <= cost.arguments <= floats + share * (IMAGE + 4) + 64


@pytest.mark.slow
def test_operations_are_those_that_a_gpu_would_be_given(costs):
    # Not equal: what every device does for the whole batch, as drawing partners, is shared here.
    assert ahead.asked_flops(TINY, 8) == pytest.approx(costs["block"].flops, rel=0.25)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["TPU v5 lite", "NVIDIA H100 80GB HBM3"])
def test_the_table_says_what_it_costs_and_the_hint_what_to_do(costs, monkeypatch, kind):
    devices = topology_of("cpu:8").devices
    chip = chip_of(kind)
    monkeypatch.setattr(plan, "compile_step", lambda *_, **__: None)
    monkeypatch.setattr(plan, "topology_of", lambda name: Topology(name, devices, chip, 2 if "H100" in kind else 1))
    whole = replace(TINY, mixing=Mixup())
    for name, config, words in (
        ("block", TINY, "no image leaves its device"),
        ("whole", whole, "of u8; --block 2 or a divisor"),
    ):
        monkeypatch.setattr(plan, "cost_of", lambda *_, name=name: costs[name])
        out = io.StringIO()
        plan.show(plan.Plan(config, "cpu:8"), "tiny", Console(file=out, width=200))
        text = out.getvalue()
        assert words in text
        for row in ("parameters", "peak memory", "network: gradients", "latency", "images/s", "an epoch"):
            assert row in text
        assert chip.source in text
        assert ("Not planned" in text) == ("InfiniBand of 400 Gb/s" in text) == ("H100" in kind)


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("share", "words"), [(1.1, "does not fit"), (0.8, "XLA_PYTHON_CLIENT_MEM_FRACTION"), (0.5, "")]
)
def test_what_does_not_fit_is_said(costs, share, words):
    topology = Topology("h100:8", [None] * 8, chip_of("NVIDIA H100 80GB HBM3"))
    cost = replace(costs["block"], temporary=int(share * topology.chip.memory))
    text = "\n".join(plan.notes(cost, topology))
    assert words in text
    assert ("fit" in text) == bool(words)


@pytest.fixture
def uncached():
    """Switch the cache of programs off, as the command does: those for devices that are not there cannot be read."""
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()
    yield
    jax.config.update("jax_enable_compilation_cache", True)
    compilation_cache.reset_cache()


@pytest.mark.slow
def test_a_step_is_planned_for_gpus(uncached):
    pytest.importorskip("jax_plugins.xla_cuda12", reason="JAX's plugin for CUDA, the extra plan-gpu, is not installed")
    for name, nodes in (("h100:2", 1), ("b200:2x1", 2)):
        topology = topology_of(name)
        assert {device.platform for device in topology.devices} == {"gpu"}
        cost = cost_of(ahead.compile_step(TINY, topology.devices), ahead.asked_flops(TINY, 2))
        state = ahead.abstract_state(TINY)
        exchanged = cost.exchanged()
        assert 1.0 <= exchanged["gradients"][1] / bytes_of(state.params) < 1.2
        assert exchanged["BatchNorm statistics"][1] == bytes_of(state.batch_stats)
        assert exchanged.keys() <= {"gradients", "BatchNorm statistics", "metrics"}
        assert all(each.group == (0, 1) for each in cost.collectives)
        assert topology.nodes == nodes
        assert 0 < cost.temporary < 1e8
        assert cost.operations > 50
    whole = cost_of(ahead.compile_step(replace(TINY, mixing=Mixup()), topology_of("a100:2").devices), 1.0)
    assert whole.exchanged()["images"][1] == TINY.batch_size * IMAGE * 4


@pytest.mark.slow
def test_a_tpu_and_a_gpu_are_planned_in_one_process(uncached):
    pytest.importorskip("libtpu", reason="libtpu, the extra plan, is not installed")
    pytest.importorskip("jax_plugins.xla_cuda12", reason="JAX's plugin for CUDA, the extra plan-gpu, is not installed")
    state = ahead.abstract_state(TINY)
    for name in ("v5e:2x2", "h100:2", "v5e:2x2"):
        exchanged = cost_of(ahead.compile_step(TINY, topology_of(name).devices), 1.0).exchanged()
        assert exchanged["BatchNorm statistics"][1] == bytes_of(state.batch_stats)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(ValueError, match="batch_size 17 cannot be split over 8"):
        ahead.compile_step(replace(TINY, batch_size=17, mixing=Mixup()), topology_of("cpu:8").devices)


def test_too_little_memory_is_one_line(monkeypatch):
    class Lowered:
        def compile(self):
            raise jax.errors.JaxRuntimeError(
                "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error.\nRan out of memory in memory space hbm. Used "
                "31.2G of 15.75G hbm.\nTotal hbm usage >= 31.8G:"
            )

    monkeypatch.setattr(ahead, "lower_step", lambda *_, **__: Lowered())
    with pytest.raises(
        ValueError, match=r"batch_size 16 .*31\.2G of 15\.75G hbm.*--accumulate, --fsdp, or more chips"
    ) as error:
        ahead.compile_step(TINY, [None] * 8)
    assert "\n" not in str(error.value)


def test_unknown_data_and_experiments_are_refused():
    with pytest.raises(ValueError, match=r"dataset must be one of imagenet, .*, got 'digits'"):
        ahead.identity(replace(TINY, data=Data("digits")))
    with pytest.raises(ValueError, match="the first word is the experiment, one of imagenet, cifar, got 'imagnet'"):
        plan.main(["imagnet"])


@pytest.mark.thorough
def test_parameters_in_parts_weigh_an_eighth_and_are_gathered():
    config = replace(TINY, model=MLP(width=512))
    devices = topology_of("cpu:8").devices
    whole, parts = (cost_of(ahead.compile_step(config, devices, fsdp=fsdp)) for fsdp in (False, True))
    large = 4 * 512 * (IMAGE + 512)
    assert whole.arguments - parts.arguments == 2 * large * 7 // 8  # kernels and their momentum
    gathered = [each.size for each in parts.collectives if each.kind == "all-gather"]
    assert sorted(gathered) == [4 * 512 * 512, 4 * 512 * IMAGE]
    states = [ahead.state_on(ahead.make_mesh(1, 16, devices), config, fsdp=fsdp)[0] for fsdp in (False, True)]
    assert bytes_of(states[0].params) - bytes_of(states[1].params) == large * 7 // 8


def test_a_plan_of_several_rounds_a_step_is_refused():
    with pytest.raises(ValueError, match="accumulate: the compiler counts one of its rounds; plan one without it"):
        plan.main(["cifar", "preact18-mixup", "--topology", "cpu:8", "--accumulate", "2"])


@pytest.mark.slow
def test_every_preset_of_imagenet_lowers():
    devices = topology_of("cpu:8").devices
    programs = {}
    for name, (_, config) in PRESETS.items():
        # What differs between rows of one network and loss, epochs and alpha, is traced or on the host.
        key = config.model, config.loss, config.data.image_size
        if key not in programs:
            programs[key] = ahead.lower_step(config, devices).as_text()
        assert "stablehlo.convolution" in programs[key] or "stablehlo.dot_general" in programs[key], name
    assert len(programs) == 4 + 10
