"""Tries against a running service what another user of this machine could try.

`test_other_users` runs it, as root or as any other user:

    python tests/e2e/other_user.py UID PLAN

PLAN is JSON: {"folders", "sockets", "ports", "token", "proof"}. It becomes the user UID (unless it is that already),
tries everything, and prints what it got as JSON. With a token it is the control: the same calls, by somebody who may
make them.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import grpc
from ray.serve.generated.serve_pb2 import ASGIRequest

TIMEOUT_S = 5.0
PATHS = ("/", "/metrics", "/healthz", "/docs", "/v1/videos", "/api/healthz", "/api/version", "/logs", "/config")
CALLS = (
    "/ray.serve.ASGIService/HandleRequest",
    "/ray.serve.ASGIService/HandleRequestStreaming",
    "/ray.rpc.JobInfoGcsService/GetAllJobInfo",
    "/ray.rpc.NodeManagerService/GetNodeStats",
    "/ray.rpc.CoreWorkerService/NumPendingTasks",
    "/ray.rpc.ReporterService/GetTraceback",
)


class _Touch:
    """Unpickling it makes a file: the proof that somebody's bytes ran as the service's user."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, tuple[str, str]]:
        return open, (self._path, "w")


def readable(folders: list[str]) -> list[str]:
    """Every file that can be opened below the folders, and every folder that can be listed."""
    paths = []
    for folder in folders:
        for path, _, names in os.walk(folder):
            paths += [path] if os.access(path, os.R_OK) and path != "/" else []
            paths += [name for name in (f"{path}/{name}" for name in names) if os.access(name, os.R_OK)]
    return paths


def renamed(sockets: list[str]) -> list[str]:
    """Sockets that can be connected to, or moved away."""
    got = []
    for path in sockets:
        with socket.socket(socket.AF_UNIX) as ours:
            try:
                ours.connect(path)
                got.append(f"connected {path}")
            except OSError:
                pass
        try:
            Path(path).rename(path + ".stolen")
            got.append(f"renamed {path}")
        except OSError:
            pass
    return got


def answered(ports: list[int]) -> list[str]:
    """HTTP requests that any port answers with a success."""
    got = []
    for port in ports:
        for path in PATHS:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT_S) as answer:
                    got.append(f"{port}{path} {answer.status}")
            except (OSError, ValueError, urllib.error.URLError):
                pass
            except Exception:  # noqa: BLE001, S110 - a port that does not speak HTTP says anything
                pass
    return got


def called(ports: list[int], token: str, proof: str) -> dict[str, list[str]]:
    """How each port answers each gRPC call: {status: ["port/call", …]}."""
    payload = pickle.dumps(_Touch(proof))
    body = ASGIRequest(pickled_request_metadata=payload).SerializeToString()
    got: dict[str, list[str]] = {}
    for port in ports:
        with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
            for call in CALLS:
                request = body if "ASGI" in call else b""
                metadata = [("authorization", f"Bearer {token}")] if token else []
                try:
                    channel.unary_unary(call)(request, timeout=TIMEOUT_S, metadata=metadata)
                    status = "OK"
                except grpc.RpcError as error:
                    status = error.code().name
                got.setdefault(status, []).append(f"{port}{call}")
    return got


def main() -> None:
    uid, plan = int(sys.argv[1]), json.loads(sys.argv[2])
    if os.getuid() != uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    got = {
        "readable": readable(plan["folders"]),
        "sockets": renamed(plan["sockets"]),
        "http": answered(plan["ports"]),
        "grpc": called(plan["ports"], plan["token"], plan["proof"]),
    }
    print(json.dumps(got))


if __name__ == "__main__":
    main()
