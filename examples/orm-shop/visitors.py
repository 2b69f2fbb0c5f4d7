"""Visitors of the shop: they look around, then buy. `python visitors.py http://127.0.0.1:8080`"""

import http.client
import json
import random
import sys
import threading
import time
from urllib.parse import urlsplit

VISITORS = 8
THINK = 0.1  # seconds between two clicks, on average


def visit(address):
    """Clicks for ever. What fails is the shop's to count; a visitor tries again."""
    line = http.client.HTTPConnection(address, timeout=10)
    while True:
        number = random.randint(1, 5)
        clicks = [
            ("GET", "/products", None),
            ("GET", f"/products/{number}", None),
            ("POST", "/orders", json.dumps({"product": number, "quantity": 1})),
        ]
        for method, path, body in clicks:
            time.sleep(random.uniform(0.5, 1.5) * THINK)
            try:
                line.request(method, path, body, {"Content-Type": "application/json"} if body else {})
                line.getresponse().read()
            except (OSError, http.client.HTTPException):
                line.close()


for _ in range(VISITORS):
    threading.Thread(target=visit, args=[urlsplit(sys.argv[1]).netloc], daemon=True).start()
threading.Event().wait()
