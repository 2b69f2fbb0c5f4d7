"""What an application does with redis-py: pipelines, transactions, a pool, scripts, subscriptions, blocking pops, RESP 2 and 3."""

import sys
from concurrent.futures import ThreadPoolExecutor

import redis

for protocol in (2, 3):
    pool = redis.ConnectionPool(host=sys.argv[1], port=int(sys.argv[2]), protocol=protocol, decode_responses=True)
    client = redis.Redis(connection_pool=pool)
    client.flushdb()
    print(client.set("a", "two\r\nlines"), client.get("a"), client.get("none"))
    with client.pipeline(transaction=False) as pipe:
        for n in range(200):
            pipe.hset("cart", f"item {n}", n)
        pipe.hlen("cart")
        print(pipe.execute()[-1])
    with client.pipeline() as pipe:
        pipe.watch("a")
        pipe.multi()
        pipe.incr("n").lpush("list", "x", "y").lrange("list", 0, -1)
        print(pipe.execute())
    try:
        client.incr("a")
    except redis.ResponseError as error:
        print(error)
    print(client.register_script("return {KEYS[1], ARGV[1], {1, 2}}")(keys=["k"], args=["v"]))
    print(client.blpop("list", timeout=1), client.blpop("nothing", timeout=0.1))
    print(client.zadd("z", {"one": 1, "two": 2.5}), client.zrange("z", 0, -1, withscores=True))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: client.incr("count"), range(200)))
    print(client.get("count"), len(list(client.scan_iter(count=5))))
    with client.pubsub(ignore_subscribe_messages=True) as channel:
        channel.subscribe("news")
        channel.get_message(timeout=5)  # the subscription
        client.publish("news", "hello")
        print(channel.get_message(timeout=5)["data"])
    client.flushdb()
    pool.disconnect()
