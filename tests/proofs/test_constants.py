"""Every polynomial and constant of the maths headers is made again by its Sollya script, error included."""

import re
import shutil
import subprocess

import pytest

from .. import ROOT

MATHS = ROOT / "cpp" / "math"
# Which file keeps the constants of which name, and the file whose array has the error beside it.
SCRIPTS = {
    "exp": {
        "log2_e": "exp.h",
        "ln2_head": "exp.h",
        "ln2_tail": "exp.h",
        "ln2_middle": "sigmoid_cross_entropy_double_double.h",
        "ln2_last": "sigmoid_cross_entropy_double_double.h",
        "q": "exp.h",
    },
    "log1p": {"Q": "softplus_sigmoid.h"},
    "exp_34bit": {"log2_e": "exp_34bit.h", "ln2": "exp_34bit.h", "q": "exp_34bit.h"},
    "fast_path": {"ln2": "fast_softplus_sigmoid.h", "q": "fast_softplus_sigmoid.h", "Q": "fast_softplus_sigmoid.h"},
}
HEX = r"-?0x[\da-f.]+p[+-]?\d+"


def constants_of(file: str, name: str) -> list[float]:
    """The numbers of ``name = 0x...`` or ``name[10] = {0x..., ...}``."""
    text = re.sub(r"//.*", "", (MATHS / file).read_text())
    found = re.search(rf"\b(?:\w+_)?{name}(?:\[\d+\] = {{([^}}]*)}}| = ({HEX}))", text)
    assert found, f"cpp/math/{file} has no constant {name}"
    return [float.fromhex(number) for number in re.findall(HEX, found[1] or found[2])]


def printed_by(script: str) -> str:
    if not shutil.which("sollya"):
        pytest.skip("sollya is not installed: apt-get install sollya")
    path = ROOT / "tools" / "coefficients" / f"{script}.sollya"
    # Sollya's exit code is not 0 after a script without `quit`: what it printed decides.
    return subprocess.run(["sollya", path], capture_output=True, text=True, check=False, timeout=60).stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_sollya_makes_the_constants_again(script):
    printed = printed_by(script)
    made: dict[str, list[float]] = {}
    for name, number in re.findall(rf"^(\w+) ({HEX})$", printed, re.MULTILINE):
        made.setdefault(name, []).append(float.fromhex(number))
    assert made == {name: constants_of(file, name) for name, file in SCRIPTS[script].items()}

    reached = float(re.search(r"^error 2 \^ (-[\d.]+)", printed, re.MULTILINE)[1])
    header = (MATHS / list(SCRIPTS[script].values())[-1]).read_text()
    claimed = float(re.search(r"relative error of .*: 2\^(-[\d.]+)", header)[1])
    assert reached <= claimed < reached + 0.1


def test_sollya_makes_the_constants_of_the_triton_kernels_again():
    printed = printed_by("triton")
    module = (ROOT / "src" / "logitloss" / "torch" / "_triton.py").read_text()
    for name in "EA":
        made = [float.fromhex(number) for number in re.findall(rf"^{name} ({HEX})$", printed, re.MULTILINE)]
        kept = [
            float.fromhex(number)
            for number in re.findall(rf'^{name}\d = _constant\("({HEX})"\)$', module, re.MULTILINE)
        ]
        assert made == kept != []
    reached = re.search(r"^error 2 \^ (-[\d.]+) and 2 \^ (-[\d.]+)", printed, re.MULTILINE).groups()
    claimed = re.findall(r"^# relative error of .*: 2\^(-[\d.]+)$", module, re.MULTILINE)
    assert len(claimed) == 2
    for one, other in zip(map(float, reached), map(float, claimed), strict=True):
        assert one <= other < one + 0.1
