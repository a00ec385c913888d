"""Prove every claim of the library about accuracy and sameness: one line per claim, exit code 1 if one fails.

``python proofs/run.py`` runs all of it, ``python proofs/run.py float64 --sample 1000`` one claim over every 1000th
input. The programs (C++, with MPFR) are built out of source first. README.md says what is held against what.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from claims import CLAIMS, GOLDEN, Claim, Result

HERE = Path(__file__).resolve().parent
ARM_COMPILER, ARM_RUNNER, ARM_ROOT = "aarch64-linux-gnu-g++", "qemu-aarch64", "/usr/aarch64-linux-gnu"


def call(command: Iterable[str | Path]) -> str:
    """Run it and return what it printed; on failure show it and stop."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(
            f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
        )
    return done.stdout


def missing() -> str:
    """Return what the build lacks, or nothing."""
    if not shutil.which("cmake"):
        return "cmake is not installed"
    compiler = os.environ.get("CXX") or "c++"
    if not shutil.which(compiler):
        return "no C++ compiler was found"
    probe = subprocess.run(
        [compiler, "-x", "c++", "-fsyntax-only", "-"],
        input="#include <mpfr.h>\n",
        capture_output=True,
        text=True,
        check=False,
    )
    return "mpfr.h was not found: apt-get install libmpfr-dev" if probe.returncode else ""


def build(directory: Path, *options: str) -> None:
    """Configure and build the proofs there."""
    generator = ["-G", "Ninja"] if shutil.which("ninja") else []
    call(["cmake", "-S", HERE, "-B", directory, "-DCMAKE_BUILD_TYPE=None", *generator, *options])
    call(["cmake", "--build", directory, "--parallel"])


def instruction_sets() -> list[str]:
    """Those of this machine, the fastest first."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return ["neon"] if platform.machine().lower() in ("aarch64", "arm64") else ["baseline"]
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return ["baseline"]
    flags = set(re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)[1].split())
    needs = {"avx512": {"avx512f", "avx512dq", "avx512bw", "avx512vl"}, "avx2": {"avx2", "fma"}, "baseline": set()}
    return [name for name, needed in needs.items() if needed <= flags]


def commands(claim: Claim, options: argparse.Namespace, arm: Path | None) -> list[list[str | Path]]:
    """Every part of a claim: the inputs are dealt out to as many programs as run at a time."""

    def parts(program: str, isas: list[str]) -> list[list[str | Path]]:
        parts = [[str(part), str(options.jobs), str(options.sample)] for part in range(options.jobs)]
        return [[options.build / program, *part, *isas] for part in parts]

    if "{isa}" in claim.program:
        return [part for isa in options.isa for part in parts(claim.program.format(isa=isa), [isa])]
    slow = f"baseline/{claim.baseline_every}"
    isas = [slow if isa == "baseline" and len(options.isa) > 1 else isa for isa in options.isa]
    emulated = [ARM_RUNNER, "-L", ARM_ROOT, arm / claim.program, "0", "1", str(options.sample), "neon"] if arm else []
    return parts(claim.program, isas) + ([emulated] if claim.on_arm and emulated else [])


def prove(claim: Claim, options: argparse.Namespace, arm: Path | None) -> bool:
    """Run one claim, print its line, and say whether it holds."""
    start = time.perf_counter()
    result = Result()
    with ThreadPoolExecutor(options.jobs) as pool:
        for output in pool.map(call, commands(claim, options, arm)):
            result.read(output)
    failures, summary = claim.judge(result)
    failures += result.wrong
    isas = ", ".join(f"{isa} {n:,}" for isa, n in result.results.items()) or ", ".join(options.isa)
    sampled = f" [1 in {options.sample}]" if options.sample > 1 else ""
    took = f"{time.perf_counter() - start:7.1f} s{sampled}"
    print(f"{claim.name:<15}{'FAILED' if failures else 'holds '}{took}  {summary}; results: {isas}", flush=True)
    for failure in failures[:20]:
        print(f"    {failure}")
    if options.hardest:
        for name, distance, case in sorted(result.hard):
            print(f"    hard {name} {distance:.3g} ulp from a midpoint: {case}")
        for name, (value, witness) in result.largest.items():
            print(f"    largest {name} {value:.6g} at {witness}")
    if options.record and result.hashes:
        golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
        golden.update({name: next(iter(found)) for name, found in result.hashes.items()})
        GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")
    return not failures


def main() -> int:
    """Build, prove, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [claim.name for claim in CLAIMS]
    parser.add_argument("claims", nargs="*", metavar="CLAIM", help=f"all by default: {', '.join(names)}")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="every Nth input only")
    parser.add_argument(
        "--isa", action="append", choices=("avx512", "avx2", "baseline", "neon"), help="may be repeated"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="programs at a time (one per processor)")
    parser.add_argument(
        "--build", type=Path, default=HERE.parent / "build" / "proofs", help="where the programs are built"
    )
    parser.add_argument("--no-arm", action="store_true", help="leave the Arm emulation out of same-bits")
    parser.add_argument("--hardest", action="store_true", help="print the hardest inputs and the witnesses too")
    parser.add_argument("--record", action="store_true", help="write the hashes of same-bits as the golden ones")
    options = parser.parse_args()
    if unknown := set(options.claims) - set(names):
        parser.error(f"unknown claim {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    options.isa = options.isa or instruction_sets()
    wanted = [claim for claim in CLAIMS if not options.claims or claim.name in options.claims]

    if lack := missing():
        print(f"the proofs cannot be built: {lack}", file=sys.stderr)
        return 2
    build(options.build)
    arm = None
    if not options.no_arm and any(claim.on_arm for claim in wanted):
        if shutil.which(ARM_COMPILER) and shutil.which(ARM_RUNNER):
            arm = options.build.with_name(options.build.name + "-arm")
            system = ["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=aarch64"]
            build(arm, *system, f"-DCMAKE_CXX_COMPILER={ARM_COMPILER}")
        else:
            print(f"same-bits      without Arm: {ARM_COMPILER} or {ARM_RUNNER} is not installed")
    return 0 if all([prove(claim, options, arm) for claim in wanted]) else 1


if __name__ == "__main__":
    sys.exit(main())
