#!/usr/bin/env python3
"""Adds and removes toxics under full load, and says how long each call took: `toxics.py`.

redis-benchmark asks with 50 connections through a proxy made by Toxiproxy's API. CHAOSPROXY_BIN names the binary; with
TOXIPROXY_BIN it is toxiproxy-server that is measured.
"""

import http.client
import json
import os
import statistics
import time

from databases import CHAOSPROXY, LOAD_CPU, TOXIPROXY, port, processes, start, wait

TIMES = 60
TOXICS = {"latency": {"latency": 50}, "bandwidth": {"rate": 1000}, "timeout": {"timeout": 0}}


def main():
    redis, api, at = port(), port(), port()
    start(LOAD_CPU, "redis-server", "--port", redis, "--save", "")
    server = [TOXIPROXY] if TOXIPROXY else [CHAOSPROXY, "toxiproxy"]
    start("0,1", *server, "-host", "127.0.0.1", "-port", api)
    wait(redis, api)
    connection = http.client.HTTPConnection("127.0.0.1", api)

    def ask(method, path, body=None):
        """Milliseconds that a call took."""
        begun = time.perf_counter()
        connection.request(method, path, body and json.dumps(body))
        answer = connection.getresponse()
        answer.read()
        assert answer.status < 300, (method, path, answer.status)
        return (time.perf_counter() - begun) * 1000

    ask("POST", "/proxies", {"name": "r", "listen": f"127.0.0.1:{at}", "upstream": f"127.0.0.1:{redis}"})
    for kind, attributes in TOXICS.items():
        # `timeout` ends connections, and the load with them.
        start(LOAD_CPU, "redis-benchmark", "-p", at, "-c", 50, "-n", 100_000_000, "-t", "get", "-q")
        time.sleep(1)
        took = {"add": [], "remove": [], "look": []}
        for _ in range(TIMES):
            took["add"].append(ask("POST", "/proxies/r/toxics", {"name": "t", "type": kind, "attributes": attributes}))
            time.sleep(0.05)
            took["look"].append(ask("GET", "/proxies"))
            took["remove"].append(ask("DELETE", "/proxies/r/toxics/t"))
            time.sleep(0.02)
        calls = (f"{call} {statistics.median(all):.2f} (at most {max(all):.2f})" for call, all in took.items())
        print(f"{kind:10} {'  '.join(calls)} ms")
        processes.pop().kill()


if __name__ == "__main__":
    try:
        main()
    finally:
        for child in processes:
            child.kill()
