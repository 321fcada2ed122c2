"""Plays a file to Longwatch as a camera would: python docs/examples/push_frames.py VIDEO QUESTION [ADDRESS]"""

import io
import json
import struct
import sys
import time

import av
import httpx
from websockets.sync.client import connect

from serve.client import access_headers

path, question, address = (*sys.argv[1:], "http://127.0.0.1:8000")[:3]
headers = access_headers(address)  # the service's start secret, where it runs on this machine
stream = httpx.post(f"{address}/v1/streams", json={"name": path}, headers=headers).raise_for_status().json()["id"]
socket = f"ws{address.removeprefix('http')}/v1/streams/{stream}/live"
began_us, due = time.time_ns() // 1000, 0.0
with av.open(path) as video, connect(socket, additional_headers=headers, subprotocols=["longwatch.v1"]) as live:
    for frame in video.decode(video=0):
        if frame.time >= due:  # Longwatch watches one picture a second
            due, picture = frame.time + 1.0, io.BytesIO()
            frame.to_image().save(picture, "JPEG")
            live.send(struct.pack(">q", began_us + round(frame.time * 1e6)) + picture.getvalue())
            while json.loads(live.recv(timeout=60))["type"] not in ("credit", "error"):
                pass  # a camera cannot wait; a file can, so that no picture is dropped
    live.send(json.dumps({"type": "ask", "id": 1, "question": question}))
    reply = next(message for message in map(json.loads, live) if message["type"] in ("done", "error"))
    print(reply.get("answer") or reply["detail"])  # noqa: T201
    live.send(json.dumps({"type": "bye"}))
    list(live)  # until the server has ended the stream
