"""`tvm-dla serve` with the stock client, over both protocols: answers, load, refusals."""

from __future__ import annotations

import json
import signal
import socket
import struct
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any, Iterator

import numpy as np
import pytest
import tritonclient.grpc as grpcclient
import tritonclient.http as httpclient
from conftest import LLVM, program, tvmc_dla
from tritonclient.utils import InferenceServerException

PROTOCOLS = {"http": httpclient, "grpc": grpcclient}


class Served:
    """A server in a process of its own."""

    def __init__(self, *words: object) -> None:
        ports = ["--http-port", "0", "--grpc-port", "0"]
        line = [program(), "--json", "serve", *words, *ports]
        self.process = subprocess.Popen(
            [str(word) for word in line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        text = ""
        while not text.endswith("}\n"):
            part = self.process.stdout.readline()
            assert part, self.process.communicate()
            text += part
        self.addresses: dict[str, str] = json.loads(text)

    def client(self, protocol: str, **options: Any) -> Any:
        module: ModuleType = PROTOCOLS[protocol]
        return module.InferenceServerClient(self.addresses[protocol], **options)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode


@pytest.fixture(scope="module")
def artifact(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("served") / "small.tar"
    done = tvmc_dla("compile", model, "--target", f"dla, {LLVM}", "-o", path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture(scope="module")
def served(artifact: Path) -> Iterator[Served]:
    server = Served(
        artifact, f"second={artifact}", "--request-timeout", "20s", "--max-request", "1"
    )
    yield server
    assert server.stop() == 0


def rows(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 3, 8, 8)).astype("float32")


def ports(served: Served) -> tuple[str, str]:
    metadata = served.client("http").get_model_metadata("small")
    return metadata["inputs"][0]["name"], metadata["outputs"][0]["name"]


def infer(
    client: Any, protocol: str, names: tuple[str, str], data: np.ndarray, **options: Any
) -> np.ndarray:
    module = PROTOCOLS[protocol]
    given = module.InferInput(names[0], list(data.shape), "FP32")
    binary = options.pop("binary", True)
    if protocol == "http":
        given.set_data_from_numpy(data, binary_data=binary)
        wanted = module.InferRequestedOutput(names[1], binary_data=binary)
    else:
        given.set_data_from_numpy(data)
        wanted = module.InferRequestedOutput(names[1])
    result = client.infer(options.pop("model", "small"), [given], outputs=[wanted], **options)
    return result.as_numpy(names[1])


@pytest.fixture(scope="module")
def expected(artifact: Path, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """What `tvm-dla run` gives for rows(64) in float32, which a server computes in."""
    folder = tmp_path_factory.mktemp("expected")
    np.save(folder / "x.npy", rows(64))
    line = [program(), "run", artifact, "--input", folder / "x.npy", "--output", folder / "y.npy"]
    line += ["--precision", "fp32"]
    subprocess.run([str(word) for word in line], check=True, capture_output=True)
    return np.load(folder / "y.npy")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_health_and_metadata(served: Served, protocol: str) -> None:
    client = served.client(protocol)
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("small") and client.is_model_ready("second", "1")
    options = {"as_json": True} if protocol == "grpc" else {}
    server = client.get_server_metadata(**options)
    assert server["name"] == "tvm-dla"
    model = client.get_model_metadata("small", **options)
    assert model["name"] == "small" and model["versions"] == ["1"]
    (given,) = model["inputs"]
    assert given["datatype"] == "FP32"
    assert [int(n) for n in given["shape"]] == [-1, 3, 8, 8]


@pytest.mark.parametrize(("protocol", "binary"), [("http", True), ("http", False), ("grpc", True)])
def test_answers_are_those_of_a_run(
    served: Served, expected: np.ndarray, protocol: str, binary: bool
) -> None:
    client, names, data = served.client(protocol), ports(served), rows(64)
    for first, last in [(0, 1), (1, 4), (4, 64)]:
        got = infer(client, protocol, names, data[first:last], binary=binary, request_id="seven")
        np.testing.assert_allclose(got, expected[first:last], rtol=1e-5, atol=1e-6)
    got = infer(client, protocol, names, data[:2], model="second", model_version="1")
    np.testing.assert_allclose(got, expected[:2], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_many_clients_at_once_get_their_own_answers(
    served: Served, expected: np.ndarray, protocol: str
) -> None:
    names, data = ports(served), rows(64)

    def client_loop(number: int) -> None:
        client = served.client(protocol)
        for turn in range(30):
            first = (7 * number + turn) % 60
            count = 1 + (number + turn) % 4
            got = infer(client, protocol, names, data[first : first + count])
            want = expected[first : first + count]
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(client_loop, number) for number in range(8)]:
            done.result()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_wrong_is_said(served: Served, protocol: str) -> None:
    client, names = served.client(protocol), ports(served)
    module = PROTOCOLS[protocol]

    def ask(name: str, shape: list[int], datatype: str, data: np.ndarray, **more: Any) -> None:
        given = module.InferInput(name, shape, datatype)
        given.set_data_from_numpy(data)
        client.infer(more.pop("model", "small"), [given], **more)

    good = rows(2)
    wide = np.zeros((2, 3, 9, 9), "float32")
    double = good.astype("float64")
    huge = np.zeros((1500, 3, 8, 8), "float32")
    other = [module.InferRequestedOutput("logit")]
    for call, complaints in [
        (lambda: ask(names[0], [2, 3, 8, 8], "FP32", good, model="gone"), ["`gone`", "small"]),
        (lambda: ask(names[0], [2, 3, 8, 8], "FP32", good, model_version="7"), ["version `7`"]),
        (lambda: ask("z", [2, 3, 8, 8], "FP32", good), [f"`{names[0]}` is missing"]),
        (lambda: ask(names[0], [2, 3, 8, 8], "FP64", double), ["FP64", "FP32"]),
        (lambda: ask(names[0], [2, 3, 9, 9], "FP32", wide), ["[2, 3, 9, 9]", "[N, 3, 8, 8]"]),
        (lambda: ask(names[0], [2, 3, 8, 8], "FP32", good, outputs=other), ["`logit`", names[1]]),
        (lambda: ask(names[0], [1500, 3, 8, 8], "FP32", huge), ["1048576"]),
    ]:
        with pytest.raises(InferenceServerException) as error:
            call()
        for complaint in complaints:
            assert complaint in str(error.value)
    infer(client, protocol, names, good)


def test_clients_that_vanish_cost_nothing(served: Served, expected: np.ndarray) -> None:
    names, data = ports(served), rows(64)
    host, port = served.addresses["http"].rsplit(":", 1)
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": names[0],
                    "shape": [4, 3, 8, 8],
                    "datatype": "FP32",
                    "parameters": {"binary_data_size": data[:4].nbytes},
                }
            ]
        }
    ).encode()
    body = head + data[:4].tobytes()
    request = (
        f"POST /v2/models/small/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        f"Inference-Header-Content-Length: {len(head)}\r\n\r\n"
    ).encode() + body
    for part in [10, len(request) // 2, len(request) - 1, len(request)]:
        for _ in range(10):
            with socket.create_connection((host, int(port))) as client:
                client.sendall(request[:part])
                # Reset instead of a polite end.
                linger = struct.pack("ii", 1, 0)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    for protocol in PROTOCOLS:
        client = served.client(protocol)
        np.testing.assert_allclose(
            infer(client, protocol, names, data[:8]), expected[:8], rtol=1e-5, atol=1e-6
        )
    deadline = time.monotonic() + 30
    while metric(served, 'tvm_dla_rows_waiting{model="small"}') != 0:
        assert time.monotonic() < deadline, "rows of clients that are gone are still waiting"
        time.sleep(0.05)


def metric(served: Served, name: str) -> float:
    with urllib.request.urlopen(f"http://{served.addresses['http']}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    (value,) = [line.rsplit(" ", 1)[1] for line in lines if line.startswith(name)]
    return float(value)


def test_metrics_count_what_happened(served: Served) -> None:
    client, names = served.client("http"), ports(served)
    name = 'tvm_dla_requests_total{model="second",outcome="200",protocol="http"}'
    infer(client, "http", names, rows(3), model="second")
    before = metric(served, name)
    fate = 'tvm_dla_rows_total{fate="computed",model="second"}'
    computed = metric(served, fate)
    infer(client, "http", names, rows(5), model="second")
    assert metric(served, name) == before + 1
    assert metric(served, fate) == computed + 5


def test_a_stopping_server_answers_what_it_has(artifact: Path, expected: np.ndarray) -> None:
    server = Served(artifact)
    names, data = ports(server), rows(64)
    answers: list[bool] = []
    refused: list[str] = []
    started = threading.Event()

    def client_loop(protocol: str) -> None:
        client = server.client(protocol)
        while True:
            try:
                got = infer(client, protocol, names, data)
            except Exception as error:  # whatever a client raises when nobody is there any more
                refused.append(str(error))
                return
            answers.append(np.allclose(got, expected, rtol=1e-5, atol=1e-6))
            started.set()

    loops = [threading.Thread(target=client_loop, args=(protocol,)) for protocol in PROTOCOLS]
    for loop in loops:
        loop.start()
    started.wait(60)
    assert server.stop() == 0
    for loop in loops:
        loop.join(60)
    assert answers and all(answers)
    assert len(refused) == 2, "both noticed the end"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_request_in_flight_when_the_server_stops_is_answered(
    artifact: Path, expected: np.ndarray, protocol: str
) -> None:
    # A row waits for company as long as the bound allows.
    server = Served(artifact, "--max-latency", "3s")
    names, data = ports(server), rows(64)
    client = server.client(protocol)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(infer, client, protocol, names, data[:1])
        time.sleep(1)
        assert not asked.done(), "it waits"
        assert server.stop() == 0
        np.testing.assert_allclose(asked.result(60), expected[:1], rtol=1e-5, atol=1e-6)
