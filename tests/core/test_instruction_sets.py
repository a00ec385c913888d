"""Which instruction sets a processor can run, from the registers that it reports."""

import pytest

from logitloss import _core

AVX, FMA, F16C, OSXSAVE = 1 << 28, 1 << 12, 1 << 29, 1 << 27  # of leaf 1, ECX
AVX2, F, DQ, BW, VL = 1 << 5, 1 << 16, 1 << 17, 1 << 30, 1 << 31  # of leaf 7, EBX
LEAF1, LEAF7 = AVX | FMA | F16C | OSXSAVE, AVX2 | F | DQ | BW | VL
UNSAVED = "the operating system does not save its registers"


@pytest.mark.parametrize(
    ("registers", "avx2", "avx512"),
    [
        ((LEAF1, LEAF7, 0xE7), None, None),
        ((LEAF1, LEAF7, 0x7), None, UNSAVED),
        ((LEAF1, LEAF7, 0x67), None, UNSAVED),
        ((LEAF1, LEAF7, 0x3), UNSAVED, UNSAVED),
        ((LEAF1 & ~OSXSAVE, LEAF7, 0xE7), UNSAVED, UNSAVED),
        ((LEAF1 & ~FMA, LEAF7, 0xE7), "the processor has no fma", "the processor has no fma"),
        ((LEAF1 & ~F16C, LEAF7, 0xE7), "the processor has no f16c", "the processor has no f16c"),
        ((LEAF1, LEAF7 & ~AVX2, 0xE7), "the processor has no avx2", "the processor has no avx2"),
        ((LEAF1, LEAF7 & ~F, 0xE7), None, "the processor has no avx512f"),
        ((LEAF1, LEAF7 & ~DQ, 0xE7), None, "the processor has no avx512dq"),
        ((LEAF1, LEAF7 & ~BW, 0xE7), None, "the processor has no avx512bw"),
        ((LEAF1, LEAF7 & ~VL, 0xE7), None, "the processor has no avx512vl"),
        ((0, 0, 0), "the processor has no avx2", "the processor has no avx2"),
    ],
)
def test_what_is_missing(registers, avx2, avx512):
    assert _core.missing_instructions(*registers) == (avx2, avx512)


def test_this_processor():
    """As the operating system reports it, where it does."""
    try:
        with open("/proc/cpuinfo") as file:
            flags = next(line for line in file if line.startswith("flags")).split()
    except (OSError, StopIteration):
        pytest.skip("this system has no /proc/cpuinfo with flags")
    usable = ["baseline"]
    if {"avx2", "fma", "f16c"} <= set(flags):
        usable.append("avx2")
        if {"avx512f", "avx512dq", "avx512bw", "avx512vl"} <= set(flags):
            usable.append("avx512")
    assert _core.isas() == usable
