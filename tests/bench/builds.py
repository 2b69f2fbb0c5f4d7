#!/usr/bin/env python3
"""Builds of chaosproxy beside each other: `builds.py [--busy N] ROUNDS BINARY...`.

redis-benchmark GET with 50 clients through each in turn, a new process each time, on all CPUs. Machines differ from one minute
to the next by more than builds do, so each is compared with the first one of the same round: the mean of the ratios and its
standard error are told. With `--busy` so many loops keep CPUs busy meanwhile, and a client that asks now and then tells how
long it waits: what is good for a full load must not be bad for those.
"""

import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from databases import EVERY_CPU, cpu, port, processes, start, stop, wait

COMMANDS = 30_000
PAUSE = 0.003


def take(option):
    if option not in sys.argv:
        return 0
    at = sys.argv.index(option)
    value = int(sys.argv[at + 1])
    del sys.argv[at : at + 2]
    return value


def proxy(binary, folder, redis):
    at, file = port(), f"{folder}/builds.yaml"
    with open(file, "w") as text:
        text.write(f"listeners: {{r: {{bind: 127.0.0.1:{at}, protocol: redis, cluster: r}}}}\n")
        text.write(f'clusters: {{r: {{backends: [{{address: "127.0.0.1:{redis}"}}]}}}}\n')
        text.write(f"admin: {{bind: 127.0.0.1:{port()}}}\n")
    pid = start(EVERY_CPU, binary, "run", "--config", file, "--workers", os.cpu_count())
    wait(at)
    return pid, at


def visits(at, load):
    """Milliseconds that a client waits which asks now and then while the load lasts."""
    waits = []
    with socket.create_connection(("127.0.0.1", at)) as client:
        while load.poll() is None:
            began = time.monotonic()
            client.sendall(b"*1\r\n$4\r\nPING\r\n")
            client.recv(64)
            waits.append((time.monotonic() - began) * 1e3)
            time.sleep(PAUSE)
    return statistics.quantiles(waits, n=100)


def measure(binary, folder, redis, busy):
    pid, at = proxy(binary, folder, redis)
    loops = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(busy)]
    before, began = cpu(pid), time.monotonic()
    load = subprocess.Popen(
        ["redis-benchmark", "-p", str(at), "-c", "50", "-n", str(COMMANDS), "-t", "get", "-q"], stdout=subprocess.DEVNULL
    )
    waits = visits(at, load) if busy else None
    load.wait()
    rate = COMMANDS / (time.monotonic() - began)
    spent = (cpu(pid) - before) * 1e6 / COMMANDS
    for loop in loops:
        loop.kill()
        loop.wait()
    begun = processes.pop()
    begun.kill()
    begun.wait()
    return rate, spent, waits


def tell(name, rounds, first):
    ratios = [math.log(one[0] / other[0]) for one, other in zip(rounds, first)]
    error = statistics.stdev(ratios) / math.sqrt(len(ratios)) if len(ratios) > 1 else math.nan
    rate, spent = (statistics.median(one[of] for one in rounds) for of in (0, 1))
    line = f"{name:32} {math.exp(statistics.mean(ratios)):.3f} x (+-{error:.3f}) {rate:8,.0f} a second {spent:6.2f} us of CPU each"
    if rounds[0][2]:
        line += "".join(f"  p{of} {statistics.median(one[2][of - 1] for one in rounds):.2f} ms" for of in (50, 90, 99))
    print(line)


def main():
    busy = take("--busy")
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    rounds, binaries = int(sys.argv[1]), sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        redis = port()
        start(EVERY_CPU, "redis-server", "--port", redis, "--save", "", "--dir", folder)
        try:
            wait(redis)
            seen = {binary: [] for binary in binaries}
            for turn in range(rounds):
                print(f"round {turn + 1} of {rounds}", file=sys.stderr)
                # Who comes first in a round has it better by some hundredths, so they take turns at that, too.
                first = turn % len(binaries)
                for binary in binaries[first:] + binaries[:first]:
                    seen[binary].append(measure(binary, folder, redis, busy))
        finally:
            stop()
        for binary in binaries:
            tell(binary, seen[binary], seen[binaries[0]])


if __name__ == "__main__":
    main()
