#!/usr/bin/env python3
"""Measure artifacts on this board: rows in the columns of data/measurements.csv.

Runs on Python 3.6, which JetPack 4.6 has, and needs nothing else.
"""

import argparse
import csv
import json
import os
import subprocess
import sys

COLUMNS = [
    "id",
    "device",
    "power_mode",
    "gpu_mhz",
    "dla_mhz",
    "emc_mhz",
    "precision",
    "batch",
    "model",
    "input",
    "level",
    "layer",
    "processor",
    "concurrent_with",
    "metric",
    "value",
    "unit",
    "kind",
    "tensorrt",
    "software",
    "source",
    "source_path",
    "note",
]
GPU_CLOCKS = ("gv11b", "ga10b", "gpu")


def text_of(path):
    """A file's text without its end, or nothing where there is no such file."""
    try:
        with open(path, errors="replace") as file:
            return file.read().strip("\0\n ")
    except OSError:
        return ""


def output_of(*command):
    """What a command prints; a command that fails ends the program with its own words."""
    done = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = done.communicate()
    if done.returncode != 0:
        sys.exit(
            "measure_board: {} failed:\n{}".format(
                " ".join(command), err.decode(errors="replace").strip()
            )
        )
    return out.decode()


def power_mode():
    try:
        lines = output_of("nvpmodel", "-q").splitlines()
    except OSError:
        return ""
    modes = [line.split(":", 1)[1].strip() for line in lines if line.startswith("NV Power Mode")]
    return modes[0] if modes else ""


def gpu_mhz():
    """The clock that the GPU has now: with jetson_clocks its highest."""
    folder = "/sys/class/devfreq"
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    clocks = [
        text_of(os.path.join(folder, name, "cur_freq"))
        for name in names
        if name.endswith(GPU_CLOCKS)
    ]
    return str(int(clocks[0]) // 1000000) if clocks and clocks[0].isdigit() else ""


def doctor(program):
    """What the program found, by part; its status is 1 when something is missing."""
    done = subprocess.Popen([program, "doctor", "--json"], stdout=subprocess.PIPE)
    found = json.loads(done.communicate()[0].decode())
    return {finding["part"]: finding["detail"] for finding in found["findings"] if finding["ok"]}


def plans(rows, rounds):
    """Processors, the plan that uses them, and its rows: `rounds` times `rows` on each device."""
    part = "{}={}x{}"
    total = rows * rounds
    yield "DLA0+GPU", "{},suffix={}".format(part.format("dla0", rows, rounds), total), total
    parts = [part.format(device, rows, rounds) for device in ("gpu", "dla0", "dla1")]
    yield "GPU+DLA0+DLA1", "{},suffix={}".format(",".join(parts), 3 * total), 3 * total


def measure(program, artifact, rows, options):
    """Rates of the GPU alone and with DLAs, in images per second."""
    for processors, plan, total in plans(rows, options.rounds):
        figures = json.loads(
            output_of(
                *[
                    program,
                    "bench",
                    artifact,
                    "--json",
                    "--quiet",
                    "--batch",
                    str(total),
                    "--plan",
                    plan,
                ],
                *["--repeats", str(options.repeats), "--backend", options.backend],
            )
        )
        for name, run in ((processors, "shared"), ("GPU", "gpu_only")):
            used = {"devices": figures["devices"], "plan": figures[run]["plan"]}
            yield name, total, used, figures[run]["images_per_second"]


def input_shape(program, artifact):
    """The lengths of one row, as `3x224x224`."""
    stages = json.loads(output_of(program, "export", artifact, "--trtexec", "--json"))["stages"]
    return "x".join(str(length) for length in stages[0]["inputs"][0]["shape"][1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("artifact", nargs="+")
    parser.add_argument("--program", default="target/release/tvm-dla")
    parser.add_argument("--output", default="measurements.csv", help="the CSV file")
    parser.add_argument(
        "--batch", default="1,4,8,16,32,64", help="rows of one execution, with commas"
    )
    parser.add_argument(
        "--rounds", type=int, default=4, help="executions of each device in one run"
    )
    parser.add_argument(
        "--repeats", type=int, default=5, help="runs of each plan; the median counts"
    )
    parser.add_argument("--backend", default="tensorrt")
    parser.add_argument(
        "--rehearse", action="store_true", help="label the rows as emulated: no board is measured"
    )
    options = parser.parse_args()
    found = doctor(options.program)
    common = {
        "device": text_of("/proc/device-tree/model") or "not a Jetson",
        "power_mode": power_mode(),
        "gpu_mhz": gpu_mhz(),
        "level": "network",
        "metric": "throughput",
        "unit": "img/s",
        "kind": "emulated" if options.rehearse else "measured",
        "tensorrt": found.get("TensorRT", "").split(" at ")[0],
        "software": "{}; JetPack {}".format(
            output_of(options.program, "--version").strip(),
            found.get("JetPack", "not found").split(" on ")[0],
        ),
        "source": "scripts/on_jetson",
    }
    with open(options.output, "w", newline="") as out:
        write(out, options, common)


def write(out, options, common):
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    number = 0
    for artifact in options.artifact:
        shape = input_shape(options.program, artifact)
        for rows in (int(rows) for rows in options.batch.split(",")):
            for processors, total, figures, rate in measure(
                options.program, artifact, rows, options
            ):
                number += 1
                row = dict(common, id=f"b{number:04}", batch=total, processor=processors)
                row.update(
                    model=os.path.basename(artifact).split(".")[0],
                    precision=figures["devices"].rsplit(" in ", 1)[-1].upper(),
                    input=shape,
                    value="{:.2f}".format(rate["median"]),
                    source_path=os.path.basename(artifact),
                    note="median of {}, {:.2f} to {:.2f}; plan {}".format(
                        options.repeats, rate["min"], rate["max"], figures["plan"]
                    ),
                )
                writer.writerow(row)
                out.flush()


if __name__ == "__main__":
    main()
