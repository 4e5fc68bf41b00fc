"""GPUs to compile for that are not there: what XLA has to know of them, and its plugin for CUDA."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from mixup_jax.runtime.devices.chips import Chip


@dataclass(frozen=True)
class Silicon:
    """What the compiler asks about a chip beside its rates."""

    multiprocessors: int
    capability: tuple[int, int]
    """CUDA's compute capability."""
    lanes: int
    """Units for float32 of a multiprocessor."""
    shared: int
    """KiB of shared memory of a multiprocessor; a block of threads can have 1 KiB less."""


# NVIDIA's white papers of the architectures (A100 2020, H100 2022) and the technical brief of Blackwell (2024); what
# belongs to a compute capability is CUDA's Programming Guide 12.9, table of technical specifications.
SILICON = {
    "a100": Silicon(108, (8, 0), 64, 164),
    "a100-40gb": Silicon(108, (8, 0), 64, 164),
    "h100": Silicon(132, (9, 0), 128, 228),
    "h200": Silicon(132, (9, 0), 128, 228),
    "b200": Silicon(148, (10, 0), 128, 228),
}

NOT_PLANNED = (
    "Not planned for GPUs: which kernels run (without a GPU nothing is timed: no autotuning, and cuDNN is not asked), "
    "their speed and their workspace; what CUDA, cuDNN and NCCL take of the memory for themselves; sums in NVLink's "
    "switches (H100 and later) and in InfiniBand's, which send up to half as much."
)

TAKEN = 0.75
"""The share of a GPU's memory that JAX takes by default (XLA_PYTHON_CLIENT_MEM_FRACTION)."""


def gpu_devices(chip: Chip, nodes: int, gpus: int) -> Sequence[Any]:
    """Return `nodes` times `gpus` devices of a chip, to be compiled for, not computed on. It needs no GPU or driver.

    Raises ValueError where JAX's plugin for CUDA is missing.
    """
    from jax.experimental import topologies
    from jaxlib import xla_client

    jax.devices("cpu")  # JAX looks for its plugins when it starts
    if not xla_client.pjrt_plugin_loaded("cuda"):
        raise ValueError("topology of GPUs needs JAX's plugin, the extra [plan-gpu]: pip install '.[plan-gpu]'.")
    if not xla_client.pjrt_plugin_initialized("cuda"):
        xla_client.initialize_pjrt_plugin("cuda")
    return topologies.get_topology_desc(
        platform="cuda", topology_name=chip.name, target_config=target_of(chip), topology=f"{nodes}x1x{gpus}"
    ).devices


def target_of(chip: Chip) -> str:
    """Return the description of a GPU that XLA compiles for, a GpuTargetConfigProto as text."""
    silicon = SILICON[chip.name]
    assert chip.float32 is not None
    clock = chip.float32 / (2 * silicon.lanes * silicon.multiprocessors)  # a multiply-add a lane and cycle
    facts = {
        "core_count": silicon.multiprocessors,
        "fpus_per_core": silicon.lanes,
        "clock_rate_ghz": round(clock / 1e9, 3),
        "memory_bandwidth": int(chip.bandwidth),
        "device_memory_size": int(chip.memory),
        "l2_cache_size": int(chip.on_chip),
        "shared_memory_per_core": silicon.shared * 1024,
        "shared_memory_per_block": 48 * 1024,  # what a block has without asking for more
        "shared_memory_per_block_optin": (silicon.shared - 1) * 1024,
        "registers_per_core_limit": 65536,
        "registers_per_block_limit": 65536,
        "threads_per_core_limit": 2048,
        "threads_per_block_limit": 1024,
        "threads_per_warp": 32,
        "block_dim_limit_x": 2**31 - 1,
        "block_dim_limit_y": 65535,
        "block_dim_limit_z": 65535,
    }
    major, minor = silicon.capability
    lines = [*(f"{name}: {value}" for name, value in facts.items())]
    lines.append(f"cuda_compute_capability {{ major: {major} minor: {minor} }}")
    return (
        f"gpu_device_info {{ {' '.join(lines)} }} "
        'platform_name: "CUDA" dnn_version_info { major: 9 minor: 10 patch: 1 } '
        f'device_description_str: "{chip.kinds[0]}"'
    )
