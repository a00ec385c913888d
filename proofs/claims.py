"""What each claim is: the program that shows it, and the judge of what the program printed."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "proofs" / "golden_hashes.json"


@dataclass
class Result:
    """What the parts of a program printed, added up."""

    counts: Counter[str] = field(default_factory=Counter)
    largest: dict[str, tuple[float, str]] = field(default_factory=dict)
    hard: list[tuple[str, float, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    hashes: dict[str, set[str]] = field(default_factory=dict)

    def read(self, output: str) -> None:
        """Add the lines of one part."""
        for line in output.splitlines():
            kind, _, rest = line.partition(" ")
            words = rest.split(" ", 2)
            if kind == "count":
                self.counts[words[0]] += int(words[1])
            elif kind == "largest":
                value = float(words[1])
                if words[0] not in self.largest or not value <= self.largest[words[0]][0]:
                    self.largest[words[0]] = (value, words[2])
            elif kind == "hard":
                self.hard.append((words[0], float(words[1]), words[2]))
            elif kind == "hash":
                self.hashes.setdefault(words[0], set()).add(words[1])
            elif kind == "wrong":
                self.wrong.append(rest)
            else:
                raise ValueError(f"unexpected line: {line}")

    @property
    def results(self) -> dict[str, int]:
        """Results per instruction set."""
        totals: Counter[str] = Counter()
        for name, n in self.counts.items():
            if "results-" in name:
                totals[name.rpartition("results-")[2]] += n
        return dict(totals)


def constant(file: str, name: str) -> float:
    """The value of ``constexpr double name`` in a header of cpp/math, where each claim is a constant."""
    found = re.search(rf"^constexpr double {name} = ([^;]+);", (ROOT / "cpp" / "math" / file).read_text(), re.MULTILINE)
    if not found:
        raise SystemExit(f"cpp/math/{file} has no constant {name}")
    return float.fromhex(found[1]) if "x" in found[1] else float(found[1])


MATHS_BOUNDS = {
    "exp": ("exp.h", "exp_max_error"),
    "exp-hi": ("exp.h", "exp_hi_max_ulp"),
    "exp-34bit": ("exp_34bit.h", "exp_34bit_max_error"),
    "softplus-sigmoid-hi": ("softplus_sigmoid.h", "softplus_sigmoid_hi_max_error"),
    "softplus-sigmoid": ("softplus_sigmoid.h", "softplus_sigmoid_max_error"),
    "fast-softplus-sigmoid": ("fast_softplus_sigmoid.h", "fast_softplus_sigmoid_max_error"),
    "double-double-sum": ("double_double.h", "double_double_sum_max_error"),
    "double-double-quotient": ("double_double.h", "double_double_quotient_max_error"),
    "fallback": ("sigmoid_cross_entropy_double_double.h", "fallback_max_error"),
}
LOSS = ("sigmoid_cross_entropy.h", "float64_loss_max_ulp")
DERIVATIVE = ("sigmoid_cross_entropy.h", "float64_derivative_max_ulp")
FLOAT64_ERROR = ("sigmoid_cross_entropy.h", "float64_error")
FLOAT64_BOUNDS = {
    "loss-hard": LOSS,
    "loss-soft": LOSS,
    "loss-subnormal": LOSS,
    "gradient-hard": DERIVATIVE,
    "gradient-soft": DERIVATIVE,
    "gradient-subnormal": DERIVATIVE,
    "gradient-divided-hard": DERIVATIVE,
    "gradient-divided-soft": DERIVATIVE,
    "gradient-divided-subnormal": DERIVATIVE,
    "hessian-hard": DERIVATIVE,
    "hessian-soft": DERIVATIVE,
    "hessian-subnormal": DERIVATIVE,
}


def number(value: float) -> str:
    """A small number as a power of two, an ulp with its digits."""
    return f"2^{math.log2(value):.2f}" if 0 < value < 1e-6 else f"{value:.4g}"


def within(result: Result, bounds: dict[str, tuple[str, str]]) -> tuple[list[str], str]:
    """The violated bounds, and every largest error beside its bound."""
    failures, shown = [], []
    for name, claim in bounds.items():
        if name not in result.largest:
            continue
        value, witness = result.largest[name]
        most = constant(*claim)
        shown.append(f"{name} {number(value)} (bound {number(most)})")
        if not value <= most:
            failures.append(f"{name}: {number(value)} > {number(most)} at {witness}")
    return failures, ", ".join(shown)


def judge_correctly_rounded(result: Result) -> tuple[list[str], str]:
    """Nothing misrounded, and the estimates within the bounds the kernels give them."""
    ratios = {name: found for name, found in result.largest.items() if name.endswith("-of-bound")}
    failures = [f"{name}: {value:.3g} at {witness}" for name, (value, witness) in ratios.items() if not value <= 1]

    def total(*names: str) -> int:
        return sum(result.counts[prefix + name] for prefix in ("", "adversarial-", "constructed-") for name in names)

    kinds = [kind for kind in ("loss", "gradient", "hessian") if result.counts[kind]]
    undecided = ", ".join(f"{kind} {result.counts[f'{kind}-undecided'] / result.counts[kind]:.1e}" for kind in kinds)
    edges = f" and {result.counts['edges']:,} infinities and nans" if result.counts["edges"] else ""
    return failures, (
        f"{total(*kinds):,} held against the oracle{edges}, {total('mpfr'):,} by MPFR, {total('wrong'):,} wrong; "
        f"estimates within {max(value for value, _ in ratios.values()):.3f} of their bounds; undecided: {undecided}"
    )


def judge_float64(result: Result) -> tuple[list[str], str]:
    """Every largest error within the bound of its header."""
    failures, shown = within(result, FLOAT64_BOUNDS)
    checked = sum(result.counts[name] for name in ("loss", "gradient", "gradient-divided", "hessian"))
    return failures, f"{checked:,} held against the oracle: {shown}"


def judge_maths(result: Result) -> tuple[list[str], str]:
    """Every file of cpp/math within its claim, and the oracle within the error it assumes."""
    failures, shown = within(result, MATHS_BOUNDS)
    oracle = result.largest["oracle"][0]
    if not oracle <= 2**-92:
        failures.append(f"oracle: {number(oracle)} at {result.largest['oracle'][1]}")
    points, roundings = result.counts["points"], result.counts["formats"]
    return failures, f"{points:,} points, {roundings:,} roundings: {shown}, oracle {number(oracle)}"


def judge_same_bits(result: Result) -> tuple[list[str], str]:
    """One hash per result, equal to the golden one."""
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    failures = [f"{name}: {', '.join(sorted(found))}" for name, found in result.hashes.items() if len(found) > 1]
    known = {name: found for name, found in result.hashes.items() if name in golden}
    failures += [f"{name}: {found}, golden {golden[name]}" for name, found in known.items() if {golden[name]} != found]
    layouts = result.counts["layouts"]
    return failures, f"{layouts:,} layouts and modes; {len(result.hashes)} hashes, {len(known)} of them golden"


@dataclass(frozen=True)
class Claim:
    """A name, the programs that show it (with ``{isa}``: one per instruction set), and the judge of their results."""

    name: str
    program: str
    judge: Callable[[Result], tuple[list[str], str]]
    baseline_every: int = 64  # without hardware fma a result costs 20 times as much: one block in 64
    on_arm: bool = False


CLAIMS = (
    Claim("float32-hard", "float32_hard", judge_correctly_rounded),
    Claim("float32-soft", "float32_soft", judge_correctly_rounded),
    Claim("float16-pairs", "float16_pairs", judge_correctly_rounded),
    Claim("bfloat16-pairs", "bfloat16_pairs", judge_correctly_rounded),
    Claim("float64", "float64", judge_float64),
    Claim("maths", "maths_{isa}", judge_maths),
    Claim("same-bits", "same_bits", judge_same_bits, baseline_every=1, on_arm=True),
)
