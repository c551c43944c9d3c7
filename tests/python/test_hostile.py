"""`tvm-dla serve` with clients that mean harm: each is told so, and the server goes on."""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any, Iterator

import grpc
import numpy as np
import pytest
import tritonclient.http as httpclient
from test_serve import Served, artifact, infer, ports, rows  # noqa: F401
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

METHOD = "/inference.GRPCInferenceService/ModelInfer"
PATH = "/v2/models/small/infer"


@pytest.fixture(scope="module")
def served(artifact: Any) -> Iterator[Served]:  # noqa: F811
    server = Served(artifact, "--request-timeout", "2s", "--header-timeout", "2s")
    yield server
    assert server.stop() == 0


@pytest.fixture(autouse=True)
def alive_afterwards(served: Served) -> Iterator[None]:
    yield
    names = ports(served)
    for protocol in ("http", "grpc"):
        assert infer(served.client(protocol), protocol, names, rows(2)).shape == (2, 10)


def speak(
    served: Served, protocol: str, *parts: bytes, pause: float = 0.0, ends: bool = True
) -> bytes:
    """All that the server says before it ends the connection, or says nothing for a while; a client
    that `ends` says that it has sent everything."""
    host, port = served.addresses[protocol].rsplit(":", 1)
    heard = b""
    with socket.create_connection((host, int(port)), timeout=4) as client:
        try:
            for part in parts:
                client.sendall(part)
                time.sleep(pause)
            if ends:
                client.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the server has had enough already
        try:
            while part := client.recv(65536):
                heard += part
        except OSError:
            pass
    return heard


def request(body: bytes, *headers: str, length: object = None) -> bytes:
    lines = [f"POST {PATH} HTTP/1.1", "Host: x", "Connection: close", *headers]
    if length is not False:
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def asked(name: str, **changes: Any) -> bytes:
    given = {"name": name, "shape": [1, 3, 8, 8], "datatype": "FP32", "data": [0.5] * 192}
    given.update(changes)
    return json.dumps({"inputs": [given]}).encode()


def test_bodies_that_are_not_what_their_heads_say(served: Served) -> None:
    good = asked(ports(served)[0])
    chunked = "Transfer-Encoding: chunked"
    cases: list[tuple[str, bytes, tuple[int, ...]]] = [
        ("longer than the body", request(good, length=len(good) + 9), (400,)),
        ("shorter than the body", request(good, length=len(good) - 9), (400,)),
        ("negative", request(good, length=-1), (400,)),
        ("no number", request(good, length="many"), (400,)),
        ("beyond 64 bits", request(good, length=1 << 70), (400, 413)),
        ("terabytes", request(good, length=1 << 40), (413,)),
        ("two lengths", request(good, f"Content-Length: {len(good) + 1}"), (400,)),
        ("none at all", request(good, length=False), (400,)),
        ("chunks that are none", request(b"zz\r\nabc", chunked, length=False), (400,)),
        (
            "a chunk of the whole memory",
            request(b"f" * 15 + b"\r\n", chunked, length=False),
            (400, 413),
        ),
        ("a broken chunk", request(b"ff\r\nabc", chunked, length=False), (400,)),
    ]
    for why, sent, want in cases:
        heard = speak(served, "http", sent)
        status = int(heard.split(b" ")[1]) if heard.startswith(b"HTTP") else 0
        assert status in want, f"{why}: {heard[:300]!r}"


def test_json_that_is_large_deep_or_no_number(served: Served) -> None:
    name = ports(served)[0]
    nested = asked(name, data="@").replace(b'"@"', b"[" * 100_000 + b"]" * 100_000)
    flood = asked(name, data="@").replace(b'"@"', b"[" + b"1," * 3_000_000 + b"1]")
    for why, body, says in [
        ("deep", nested, "not an inference request"),
        ("six million bytes", flood, "elements, but 3000001 were sent"),
        ("NaN", asked(name, data=[float("nan")] * 192), "not an inference request"),
        ("beyond any float", asked(name, data="@").replace(b'"@"', b"[1e999]"), "out of range"),
        ("a shape of everything", asked(name, shape=[1 << 62, 1 << 62]), "which is none"),
        ("a negative shape", asked(name, shape=[-1, 3, 8, 8]), "which is none"),
        ("no rows", asked(name, shape=[0, 3, 8, 8], data=[]), "no rows"),
        ("no shape", asked(name, shape=[], data=[1]), "must be [N, 3, 8, 8]"),
        ("a long name", asked("n" * 100_000), "is missing"),
        ("true", asked(name, data=[True] * 192), "true or false"),
        ("bytes that are no text", b'{"inputs": [{"name": "\xff"}]}', "not an inference request"),
    ]:
        heard = speak(served, "http", request(body), ends=False)
        assert heard.split(b" ")[1] == b"400", f"{why}: {heard[:300]!r}"
        assert says in json.loads(heard.split(b"\r\n\r\n", 1)[1])["error"], (
            f"{why}: {heard[:900]!r}"
        )


def test_values_that_are_no_numbers_come_back_as_such(served: Served) -> None:
    names = ports(served)
    broken = rows(2)
    broken[1] = np.nan
    for protocol in ("http", "grpc"):
        got = infer(served.client(protocol), protocol, names, broken)
        assert np.isfinite(got[0]).all() and np.isnan(got[1]).all()
    given = httpclient.InferInput(names[0], [2, 3, 8, 8], "FP32")
    given.set_data_from_numpy(broken)
    wanted = httpclient.InferRequestedOutput(names[1], binary_data=False)
    with pytest.raises(InferenceServerException, match="ask for binary data"):
        served.client("http").infer("small", [given], outputs=[wanted])


def test_a_slow_drip_is_ended(served: Served) -> None:
    head = request(b"", length=500).removesuffix(b"\r\n\r\n")
    for why, sent in [("a head", head), ("a body", request(b"", length=500))]:
        started = time.monotonic()
        heard = speak(served, "http", sent, *[b"x"] * 40, pause=0.2, ends=False)
        assert time.monotonic() - started < 12, why
        assert not heard or b"408" in heard.split(b"\r\n")[0], f"{why}: {heard[:200]!r}"


def raw_call(served: Served, message: bytes) -> grpc.RpcError:
    """What the server says to bytes as the message of an inference."""
    with grpc.insecure_channel(served.addresses["grpc"]) as channel:
        call = channel.unary_unary(METHOD, lambda data: data, lambda data: data)
        with pytest.raises(grpc.RpcError) as error:
            call(message, timeout=20)
    return error.value


def inference(name: str, **changes: Any) -> bytes:
    data = changes.pop("raw", np.zeros(192, "float32").tobytes())
    outputs = changes.pop("outputs", [])
    copies = changes.pop("copies", 1)
    given = {"name": name, "datatype": "FP32", "shape": [1, 3, 8, 8], **changes}
    message = service_pb2.ModelInferRequest(model_name="small")
    for _ in range(copies):
        message.inputs.add(**given)
        message.raw_input_contents.append(data)
    for output in outputs:
        message.outputs.add(name=output)
    return bytes(message.SerializeToString())


def test_messages_that_are_wrong(served: Served) -> None:
    name = ports(served)[0]
    good = inference(name)
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    cases: list[tuple[str, bytes, set[grpc.StatusCode], str]] = [
        ("half", good[: len(good) // 2], {grpc.StatusCode.INTERNAL, invalid}, ""),
        ("noise", b"\xff" * 64, {grpc.StatusCode.INTERNAL, invalid}, ""),
        (
            "a length beyond it",
            b"\x0a\xff\xff\xff\xff\x0f",
            {grpc.StatusCode.INTERNAL, invalid},
            "",
        ),
        ("nothing", b"", {grpc.StatusCode.NOT_FOUND}, "only small"),
        ("too few bytes", inference(name, raw=b"\0" * 8), {invalid}, "192 elements, but 2"),
        ("no whole number", inference(name, raw=b"\0" * 7), {invalid}, "7 bytes"),
        ("a negative shape", inference(name, shape=[-1, 3, 8, 8]), {invalid}, "which is none"),
        ("a huge shape", inference(name, shape=[1 << 62, 4, 4]), {invalid}, "which is none"),
        ("another shape", inference(name, shape=[192]), {invalid}, "must be [N, 3, 8, 8]"),
        ("another type", inference(name, datatype="BYTES"), {invalid}, "BYTES"),
        ("the input twice", inference(name, copies=2), {invalid}, "given twice"),
        ("another name", inference("other"), {invalid}, "is missing"),
        ("another output", inference(name, outputs=["z"]), {invalid}, "no output `z`"),
    ]
    for why, message, codes, says in cases:
        error = raw_call(served, message)
        assert error.code() in codes, f"{why}: {error}"
        assert says in error.details(), f"{why}: {error.details()}"


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """An HTTP/2 frame."""
    return (
        struct.pack(">I", len(payload))[1:]
        + bytes([kind, flags])
        + struct.pack(">I", stream)
        + payload
    )


def field(name: str, value: str) -> bytes:
    """A header that is not indexed, in HPACK; short texts only."""
    return b"\0" + b"".join(bytes([len(text)]) + text.encode() for text in (name, value))


def call(body: bytes, end: bool = True) -> list[bytes]:
    """An inference whose data frame holds just these bytes."""
    head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", METHOD),
        (":authority", "x"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"")
    headers = frame(1, 4, 1, b"".join(field(*pair) for pair in head))
    return [preface + headers, frame(0, int(end), 1, body)]


def test_half_a_grpc_message(served: Served) -> None:
    good = inference(ports(served)[0])
    prefix = struct.pack(">BI", 0, len(good))
    for why, body, end in [
        ("half the message", prefix + good[:40], True),
        ("half the prefix", prefix[:3], True),
        ("no message", b"", True),
        ("a message of gigabytes", struct.pack(">BI", 0, 0xFFFFFFFF) + good, True),
        ("compressed with nothing", struct.pack(">BI", 1, len(good)) + good, True),
        ("the rest never comes", prefix + good[:40], False),
        ("two messages", (prefix + good) * 2, True),
    ]:
        started = time.monotonic()
        heard = speak(served, "grpc", *call(body, end), ends=False)
        assert time.monotonic() - started < 12, why
        assert heard, f"{why}: no frame came back"


def test_frames_that_are_none(served: Served) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for why, sent in [
        ("a frame of 16 MiB", preface + frame(4, 0, 0, b"") + b"\xff\xff\xff\0\0\0\0\0\1"),
        ("data before a head", preface + frame(4, 0, 0, b"") + frame(0, 1, 1, b"abc")),
        ("settings of three bytes", preface + frame(4, 0, 0, b"abc")),
        ("HTTP/1 where HTTP/2 is spoken", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a thousand pings", preface + frame(4, 0, 0, b"") + frame(6, 0, 0, b"8" * 8) * 1000),
    ]:
        started = time.monotonic()
        speak(served, "grpc", sent)
        assert time.monotonic() - started < 12, why
