"""The limits of chips, from their makers' tables: for plans, and for the share of its peak that a training reaches."""

from dataclasses import dataclass

GB, TFLOPS, MIB, MICROSECOND = 1e9, 1e12, 2**20, 1e-6

PASSES = {"default": 1, "high": 3, "highest": 6}
"""Products in bfloat16 that a TPU makes of one in float32, by JAX's matmul precision (`jax.lax.Precision`)."""


@dataclass(frozen=True)
class Chip:
    """The limits of one device, as JAX counts devices. Rates are dense, without sparsity; a multiply-add is two."""

    name: str
    """As in a topology: h100, v5e."""
    kinds: tuple[str, ...]
    """What JAX calls it: ``jax.devices()[0].device_kind``."""
    bfloat16: float
    """Operations in bfloat16 on the matrix units, 1/s."""
    tensorfloat32: float | None
    """Operations on float32 rounded to 10 bits, on the matrix units, 1/s; None where there are none (TPUs)."""
    float32: float | None
    """Operations in float32, outside of the matrix units, 1/s; None where it is not published (TPUs)."""
    memory: float
    """Bytes of main memory."""
    bandwidth: float
    """Of the main memory, bytes/s."""
    on_chip: float
    """Bytes of the largest memory on the chip: a GPU's L2 cache, a TPU's VMEM (v4: CMEM)."""
    interconnect: float
    """What it sends at most to others of its node (GPU) or slice (TPU), all links together, one direction, bytes/s."""
    between_nodes: float | None
    """What it sends at most to other nodes, one direction, bytes/s; None where slices are planned alone (TPUs)."""
    source: str
    """Where the figures come from."""

    def flops(self, dtype: str, precision: str = "default") -> float:
        """Return the peak of operations a second for products of arrays of `dtype`, "bfloat16", "float16" or "float32".

        `precision` is JAX's of matrix products and convolutions. By default float32 is computed in TensorFloat-32 on a
        GPU and in one pass of bfloat16 on a TPU; with "highest" in float32 on a GPU and in six passes on a TPU.

        Raises ValueError for another dtype or precision.

        >>> h100, v5e = chip_of("NVIDIA H100 80GB HBM3"), chip_of("TPU v5 lite")
        >>> [h100.flops(*how) / 1e12 for how in (("bfloat16",), ("float32",), ("float32", "highest"))]
        [989.4, 494.7, 67.0]
        >>> v5e.flops("bfloat16") / 1e12, v5e.flops("float32") / 1e12
        (197.0, 197.0)
        """
        if precision not in PASSES:
            raise ValueError(f"precision must be one of {', '.join(PASSES)}, got {precision!r}.")
        if dtype in ("bfloat16", "float16"):
            return self.bfloat16
        if dtype != "float32":
            raise ValueError(f"dtype must be bfloat16, float16 or float32, got {dtype!r}.")
        if self.tensorfloat32 is None or self.float32 is None:
            return self.bfloat16 / PASSES[precision]
        return self.float32 if precision == "highest" else self.tensorfloat32


# GPUs: NVIDIA's data sheets of the SXM modules; rates "with sparsity" are halved. NVLink is stated for both directions
# together, halved here. Between nodes: the adapters of the DGX system of that chip, one a GPU (InfiniBand, 400 Gb/s, of
# the A100 200 Gb/s). Memory is the sheet's number in 10^9 bytes; the device reports a little more.
# TPUs: Google's cloud documentation, pages TPU v4, v5e, v5p and v6e, read in November 2026. The interconnect is the
# all-reduce bandwidth of a pod divided by its chips (v5p: 4,800 Gbit/s). On-chip memory is JAX's table for Pallas.
_A100 = "NVIDIA A100 Tensor Core GPU data sheet, June 2021; DGX A100 data sheet, 2021"
_GOOGLE = "Cloud TPU documentation, November 2026; on-chip memory: JAX 0.10, Pallas' tpu_info"
CHIPS = (
    Chip(
        name="a100",
        kinds=("NVIDIA A100-SXM4-80GB",),
        bfloat16=312 * TFLOPS,
        tensorfloat32=156 * TFLOPS,
        float32=19.5 * TFLOPS,
        memory=80 * GB,
        bandwidth=2039 * GB,
        on_chip=40 * MIB,
        interconnect=300 * GB,
        between_nodes=25 * GB,
        source=_A100,
    ),
    Chip(
        name="a100-40gb",
        kinds=("NVIDIA A100-SXM4-40GB",),
        bfloat16=312 * TFLOPS,
        tensorfloat32=156 * TFLOPS,
        float32=19.5 * TFLOPS,
        memory=40 * GB,
        bandwidth=1555 * GB,
        on_chip=40 * MIB,
        interconnect=300 * GB,
        between_nodes=25 * GB,
        source=_A100,
    ),
    Chip(
        name="h100",
        kinds=("NVIDIA H100 80GB HBM3",),
        bfloat16=989.4 * TFLOPS,
        tensorfloat32=494.7 * TFLOPS,
        float32=67 * TFLOPS,
        memory=80 * GB,
        bandwidth=3350 * GB,
        on_chip=50 * MIB,
        interconnect=450 * GB,
        between_nodes=50 * GB,
        source="NVIDIA H100 Tensor Core GPU data sheet, 2023; DGX H100 data sheet, 2022",
    ),
    Chip(
        name="h200",
        kinds=("NVIDIA H200",),
        bfloat16=989.4 * TFLOPS,
        tensorfloat32=494.7 * TFLOPS,
        float32=67 * TFLOPS,
        memory=141 * GB,
        bandwidth=4800 * GB,
        on_chip=50 * MIB,
        interconnect=450 * GB,
        between_nodes=50 * GB,
        source="NVIDIA H200 Tensor Core GPU data sheet, 2024; DGX H200 data sheet, 2024",
    ),
    Chip(
        name="b200",
        kinds=("NVIDIA B200",),
        bfloat16=2250 * TFLOPS,
        tensorfloat32=1125 * TFLOPS,
        float32=75 * TFLOPS,
        memory=180 * GB,
        bandwidth=8000 * GB,
        on_chip=126 * MIB,
        interconnect=900 * GB,
        between_nodes=50 * GB,
        source="NVIDIA HGX B200 and DGX B200 data sheets, 2024, an eighth of the eight-GPU figures",
    ),
    Chip(
        name="v4",
        kinds=("TPU v4",),
        bfloat16=275 * TFLOPS,
        tensorfloat32=None,
        float32=None,
        memory=32 * GB,
        bandwidth=1200 * GB,
        on_chip=128 * MIB,
        interconnect=268 * GB,
        between_nodes=None,
        source=_GOOGLE,
    ),
    Chip(
        name="v5e",
        kinds=("TPU v5 lite", "TPU v5e"),
        bfloat16=197 * TFLOPS,
        tensorfloat32=None,
        float32=None,
        memory=16 * GB,
        bandwidth=819 * GB,
        on_chip=128 * MIB,
        interconnect=200 * GB,
        between_nodes=None,
        source=_GOOGLE,
    ),
    Chip(
        name="v5p",
        kinds=("TPU v5", "TPU v5p"),
        bfloat16=459 * TFLOPS,
        tensorfloat32=None,
        float32=None,
        memory=95 * GB,
        bandwidth=2765 * GB,
        on_chip=128 * MIB,
        interconnect=600 * GB,
        between_nodes=None,
        source=_GOOGLE,
    ),
    Chip(
        name="v6e",
        kinds=("TPU v6 lite", "TPU v6e"),
        bfloat16=918 * TFLOPS,
        tensorfloat32=None,
        float32=None,
        memory=32 * GB,
        bandwidth=1638 * GB,
        on_chip=128 * MIB,
        interconnect=400 * GB,
        between_nodes=None,
        source=_GOOGLE,
    ),
)


def chip_of(device_kind: str) -> Chip | None:
    """Return the chip that JAX calls `device_kind`; None for one that is not in the table, as a CPU or a PCIe card."""
    return next((chip for chip in CHIPS if device_kind in chip.kinds), None)
