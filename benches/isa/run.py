#!/usr/bin/env python3
"""What a model's kernels cost on each class of GPUs, read from the code that Mesa's compilers make of them; no GPU is needed.

    ISA_TOOL=FOLDER benches/isa/run.py --model FOLDER [--old SHADERS]

ISA_TOOL names the folder of a program `isa` that compiles WGSL with RADV, NVK and ANV and prints JSON; without it nothing is
done. `--old` is a folder of shaders as an earlier `residua shaders` wrote them, measured on every target. The table goes to
the standard output; RESULTS.md holds one.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TARGETS = {"amd": "navi31,navi21", "nvidia": "ampere", "intel": "dg2,bmg", "webgpu": "navi31,ampere,dg2"}
KERNELS = re.compile(r"(conv|conv_winograd|winograd)_gemm|attention_flash|winograd_(input|output)")


def kind(path):
    """What tells kernels of one name apart, but for their sizes; and how much work one is."""
    text = path.read_text()
    number = lambda name: int((re.search(rf"const {name}: u32 = (\d+)", text) or [0, 1])[1])
    what = [path.name.rsplit("-", 1)[0]]
    if "attention" in path.name:
        what.append(f"width {number('D')}")
    if "_gemm" in path.name:
        what += [f"{number('KW')}x{number('KW')}"] * path.name.startswith("conv")
        what += ["affine"] * ("affine: array" in text)
    what += ["SiLU"] * ("act_silu(x); }" in text)
    return ", ".join(what), number("M") * number("K4") * number("OUT_C4") * number("L")


def measure(isa, folder, targets):
    largest = {}
    for path in sorted(folder.glob("*.wgsl")):
        if KERNELS.match(path.name):
            name, work = kind(path)
            if work > largest.get(name, (0, None))[0]:
                largest[name] = work, path
    names = {path.stem: name for name, (_, path) in largest.items()}
    files = [str(path) for _, path in largest.values()]
    out = subprocess.run([isa, "--json", "--targets", targets, *files], capture_output=True, text=True)
    if out.returncode:
        sys.exit(out.stderr)
    for row in json.loads(out.stdout):
        row["kernel"] = names[row["kernel"]]
        yield row


def lines(rows):
    yield "| kernel | target | registers | spills | trips a turn | slots/FMA |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    for row in rows:
        if "error" in row:
            yield f"| {row['kernel']} | {row['target']} | {row['error'][:60]} | | | |"
            continue
        slots = row["slots_per_fma"]
        # A transform has no multiply-adds to speak of.
        slots = "" if slots is None or "_gemm" not in row["kernel"] and "attention" not in row["kernel"] else f"{slots:.2f}"
        spills = "/".join(map(str, row["spills"]))
        yield f"| {row['kernel']} | {row['target']} | {row['registers']} | {spills} | {row['round_trips']} | {slots} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--residua", default="target/release/residua")
    parser.add_argument("--old", type=Path)
    arguments = parser.parse_args()
    isa = Path(os.environ.get("ISA_TOOL", "")) / "isa"
    if not os.environ.get("ISA_TOOL") or not isa.is_file():
        print("SKIPPED: ISA_TOOL names no folder with the program isa")
        return
    if arguments.old:
        print("## Before\n", *lines(measure(isa, arguments.old, "navi31,ampere,dg2")), sep="\n")
    for name, targets in TARGETS.items():
        with tempfile.TemporaryDirectory() as folder:
            command = [arguments.residua, "shaders", "--model", arguments.model, "--for", name, "--out", folder]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            print(f"\n## {name}\n", *lines(measure(isa, Path(folder), targets)), sep="\n", flush=True)


main()
