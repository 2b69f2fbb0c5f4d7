#!/usr/bin/env python3
"""Databases through proxies, side by side: `databases.py [--unpinned] [ROUNDS]`.

pgbench -S with 8 clients, and redis-benchmark GET with 50 clients, one command at a time and 16. The peers take turns, and every
round begins with new processes: figures differ less within the life of one than from one to the next. The proxy is pinned to
CPU 0, databases and load to CPU 1, which is then what limits the figures a second: CPU a command tells the proxies apart.
With `--unpinned` all share all CPUs, as users have it, and each proxy has a thread for each of them.
CHAOSPROXY_BIN names the binary; TOXIPROXY_BIN a toxiproxy-server, where there is one.
"""

import glob
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

CHAOSPROXY = os.environ.get("CHAOSPROXY_BIN", "target/release/chaosproxy")
TOXIPROXY = os.environ.get("TOXIPROXY_BIN")
UNPINNED = "--unpinned" in sys.argv
EVERY_CPU = f"0-{os.cpu_count() - 1}"
PROXY_CPU, LOAD_CPU = (EVERY_CPU, EVERY_CPU) if UNPINNED else ("0", "1")
THREADS = os.cpu_count() if UNPINNED else 1
SECONDS = 4
# A fault of bytes that meets nobody.
ELSEWHERE = "{where: {listener: %s, match: {client: 10.9.9.9/32}}, do: {throttle: {rate: 1MiB/s}}}"
processes = []


def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(cpu, *command, **environment):
    child = subprocess.Popen(
        ["taskset", "-c", cpu, *map(str, command)],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    processes.append(child)
    return child.pid


def wait(*ports):
    for number in ports:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", number), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline:
                    sys.exit(f"nothing listens on port {number}")
                time.sleep(0.05)


def databases(folder):
    """PostgreSQL with pgbench's tables, and Redis; their ports."""
    postgres, redis = port(), port()
    binaries, data = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1], f"{folder}/data"
    os.mkdir(data)
    shutil.chown(data, "postgres", "postgres")
    subprocess.run(["su", "postgres", "-c", f"{binaries}/initdb -D {data} -A trust -N"], check=True, stdout=subprocess.DEVNULL)
    options = f"-D {data} -p {postgres} -k {data} -c fsync=off -c listen_addresses=127.0.0.1"
    start(LOAD_CPU, "su", "postgres", "-c", f"exec {binaries}/postgres {options}")
    start(LOAD_CPU, "redis-server", "--port", redis, "--save", "", "--dir", folder)
    wait(postgres, redis)
    time.sleep(1)  # PostgreSQL listens a little before it serves
    subprocess.run(["pgbench", "-iq", *login(postgres)], check=True, capture_output=True)
    return postgres, redis


def login(number):
    return ["-h", "127.0.0.1", "-p", str(number), "-U", "postgres", "postgres"]


def haproxy(folder, postgres, redis):
    ports = port(), port()
    listen = "".join(
        f"listen l{at}\n bind 127.0.0.1:{at}\n server s 127.0.0.1:{to}\n" for at, to in zip(ports, (postgres, redis))
    )
    with open(f"{folder}/haproxy.cfg", "w") as file:
        file.write(f"global\n nbthread {THREADS}\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 300s\n timeout server 300s\n" + listen)
    return start(PROXY_CPU, "haproxy", "-db", "-f", f"{folder}/haproxy.cfg"), ports


def toxiproxy(_, postgres, redis):
    api, ports = port(), (port(), port())
    pid = start(PROXY_CPU, TOXIPROXY, "-host", "127.0.0.1", "-port", api, GOMAXPROCS=str(THREADS), LOG_LEVEL="error")
    wait(api)
    for name, at, to in zip(("postgres", "redis"), ports, (postgres, redis)):
        body = {"name": name, "listen": f"127.0.0.1:{at}", "upstream": f"127.0.0.1:{to}", "enabled": True}
        urllib.request.urlopen(f"http://127.0.0.1:{api}/proxies", json.dumps(body).encode())
    return pid, ports


def chaosproxy(protocols, fault=None):
    def make(folder, postgres, redis):
        ports, file = (port(), port()), f"{folder}/{'-'.join(protocols)}-{fault is not None}.yaml"
        sides = list(zip(("pg", "rd"), ports, (postgres, redis), protocols))
        document = {
            "listeners": "".join(f"  {n}: {{bind: 127.0.0.1:{at}, protocol: {p}, cluster: {n}}}\n" for n, at, _, p in sides),
            "clusters": "".join(f'  {n}: {{backends: [{{address: "127.0.0.1:{to}"}}]}}\n' for n, _, to, _ in sides),
            "faults": "".join(f"  never-{n}: {fault % n}\n" for n, *_ in sides) if fault else "  {}\n",
            "admin": f"  bind: 127.0.0.1:{port()}\n",
        }
        with open(file, "w") as text:
            text.writelines(f"{section}:\n{body}" for section, body in document.items())
        return start(PROXY_CPU, CHAOSPROXY, "run", "--config", file, "--workers", THREADS), ports

    return make


def cpu(pid):
    """Seconds of CPU that a process has used."""
    if pid is None:
        return 0
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def load(*command):
    done = subprocess.run(["taskset", "-c", LOAD_CPU, *command], capture_output=True, text=True)
    return done.stdout.replace("\r", "\n")


def pgbench(postgres, _):
    told = load("pgbench", "-S", "-n", "-c", "8", "-T", str(SECONDS), *login(postgres))
    return float(re.search(r"tps = ([\d.]+)", told)[1]), int(re.search(r"processed: (\d+)", told)[1])


def redis_benchmark(commands, pipelined):
    def run(_, redis):
        told = load("redis-benchmark", "-p", str(redis), "-c", "50", "-n", str(commands), "-t", "get", "-P", str(pipelined), "-q")
        return float(re.findall(r"GET: ([\d.]+) requests per second", told)[-1]), commands

    return run


LOADS = {
    "pgbench -S -c 8": pgbench,
    "redis-benchmark GET -c 50": redis_benchmark(200_000, 1),
    "redis-benchmark GET -c 50 -P 16": redis_benchmark(1_500_000, 16),
}


def stop():
    """Ends all that was started."""
    for child in processes:
        try:
            os.killpg(child.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
    for child in processes:
        child.wait()
    processes.clear()


def take_turns(makers, seen):
    """One round of every load through every peer, all of them begun for it."""
    folder = tempfile.mkdtemp(prefix="databases-")
    os.chmod(folder, 0o755)
    try:
        servers = databases(folder)
        peers = {"direct": (None, servers)} | {name: make(folder, *servers) for name, make in makers.items()}
        wait(*(number for _, ports in peers.values() for number in ports))
        for name, (pid, ports) in peers.items():
            for what, run in LOADS.items():
                before = cpu(pid)
                rate, count = run(*ports)
                seen.setdefault(what, {}).setdefault(name, []).append((rate, (cpu(pid) - before) / count * 1e6))
    finally:
        stop()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    rounds = next((int(word) for word in sys.argv[1:] if word.isdigit()), 5)
    makers = {
        "haproxy": haproxy,
        "chaosproxy, tcp": chaosproxy(("tcp", "tcp")),
        "chaosproxy": chaosproxy(("postgres", "redis")),
        "chaosproxy, a fault elsewhere": chaosproxy(("postgres", "redis"), ELSEWHERE),
    }
    if TOXIPROXY:
        makers["toxiproxy"] = toxiproxy
    seen = {}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        take_turns(makers, seen)
    for what, peers in seen.items():
        print(f"\n{what}: a second, median (least to most); us of CPU each")
        for name, measured in peers.items():
            rates, costs = zip(*measured)
            spread = f"({min(rates):,.0f} to {max(rates):,.0f})"
            print(f"  {name:30} {statistics.median(rates):12,.0f} {spread:28} {statistics.median(costs):6.2f}")


if __name__ == "__main__":
    main()
