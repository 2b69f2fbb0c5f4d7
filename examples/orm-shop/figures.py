"""What the shop's own logs say about each phase of the drill: `python figures.py JOURNAL LOG...`"""

import json
import re
import sys
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path

# 2026-11-28T06:30:01.123Z app-source GET /products 200 4ms
REQUEST = re.compile(r"(\S+Z) \S+ (GET|POST) \S+ (\d{3}) \d+ms$")
# A request that was under way when the phase changed belongs to neither.
SETTLED = timedelta(seconds=0.5)


def phases(journal):
    """The phases of a drill's journal: their names, and when each began and ended."""
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    borders = [
        (event["data"].get("phase"), datetime.fromisoformat(event["time"]), event["type"])
        for event in events
        if event["type"] in ("chaosproxy.phase.started.v1", "chaosproxy.drill.ended.v1")
    ]
    return [(name, begun, ended) for (name, begun, _), (_, ended, _) in zip(borders, borders[1:])]


def figures(journal, logs):
    """For each phase and class of request: how many were asked and how many of them succeeded."""
    stays = phases(journal)
    counts = {name: {"read": [0, 0], "write": [0, 0]} for name, _, _ in stays}
    lines = (match for log in logs for line in log.read_text().splitlines() if (match := REQUEST.match(line)))
    for match in lines:
        moment, kind = datetime.fromisoformat(match[1]), "read" if match[2] == "GET" else "write"
        for name, begun, ended in stays:
            if begun + SETTLED <= moment < ended:
                counts[name][kind][0] += 1
                counts[name][kind][1] += int(match[3]) < 500
    return counts


def failures(logs):
    """How often the shop logged which failure."""
    seen = defaultdict(int)
    for log in logs:
        for line in log.read_text().splitlines():
            if match := re.match(r"\S+Z (\S+) \w+ \S+: (\w+: .{0,110})", line):
                seen[match[1], re.sub(r"\d{4,}", "…", match[2])] += 1
    return seen


def share(asked, good):
    return f"{100 * good / asked:5.1f}% of {asked:4}" if asked else "  nobody asked"


def tell(journal, logs):
    """Prints the figures; gives what is not as the incident says."""
    counts = figures(journal, logs)
    print("what the shop's own logs say")
    print(f"  {'phase':12} {'reads':>14} {'writes':>15}")
    for name, classes in counts.items():
        print(f"  {name:12} {share(*classes['read'])}  {share(*classes['write'])}")
    for (process, what), times in failures(logs).items():
        print(f"  {times:5} x {process}: {what}")
    return problems(counts)


def problems(counts):
    """The incident: half of the reads and every write fail, then all is well again."""
    found = []
    for phase, kind, least, most in [
        ("outage", "read", 0.45, 0.55),
        ("outage", "write", 0.0, 0.0),
        ("clear", "read", 1.0, 1.0),
        ("clear", "write", 1.0, 1.0),
    ]:
        asked, good = counts.get(phase, {}).get(kind, (0, 0))
        if not asked or not least <= good / asked <= most:
            found.append(f"the shop's log: in {phase} {good} of {asked} {kind}s succeeded, not {least:.0%} to {most:.0%}")
    return found


if __name__ == "__main__":
    found = tell(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
    sys.exit("\n".join(found) or 0)
