"""Commits as they happen: a video's channel of the store, followed from an event loop.

A notification can be lost; whoever follows also looks every `LOOK_S` seconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import redis
import redis.asyncio

from memory.store.connection import commits_channel, translate

LOOK_S = 2.0


async def ticks(url: str, video_id: str) -> AsyncIterator[None]:
    """Yields once at the start, then whenever the video may have changed."""
    client = redis.asyncio.Redis.from_url(url)
    try:
        async with client.pubsub() as channel:
            await channel.subscribe(commits_channel(video_id))
            yield
            while True:
                await channel.get_message(ignore_subscribe_messages=True, timeout=LOOK_S)
                yield
    except (redis.RedisError, OSError) as error:
        raise translate(error) from error
    finally:
        await client.aclose()
