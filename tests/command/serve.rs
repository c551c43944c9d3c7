//! `tvm-dla serve` against clients that do not behave, byte by byte. What stock clients see is in
//! tests/python/test_serve.py.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::cli_support::{Folder, bundle, elsewhere, headed, mixing, slow, without_batch};
use serde_json::{Value, json};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tvm_dla::graph::{Activation, DType, Op};

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that ends with the test.
struct Served {
    child: Child,
    http: String,
    grpc: String,
}

impl Served {
    fn start(folder: &Folder, options: &str) -> Served {
        let line = format!("--json serve {options} --http-port 0 --grpc-port 0");
        let mut command = folder.command(&line);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut text = String::new();
        let mut stdout = std::io::BufReader::new(child.stdout.take().unwrap());
        while !text.ends_with("}\n") {
            let read = std::io::BufRead::read_line(&mut stdout, &mut text).unwrap();
            assert!(read > 0, "the server did not start: {text}");
        }
        let answer: Value = serde_json::from_str(&text).unwrap();
        let address = |key: &str| answer[key].as_str().unwrap().to_string();
        Served {
            http: address("http"),
            grpc: address("grpc"),
            child,
        }
    }

    fn connect(&self, address: &str) -> TcpStream {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends `head` and `body` as one HTTP request of its own connection: status and body of the answer.
    fn ask(&self, head: &str, body: &[u8]) -> (u16, String) {
        let mut stream = self.connect(&self.http);
        let length = body.len();
        let request = format!("{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        // A server that has said no may close before it has read everything.
        let _ = stream.write_all(body);
        answer(&mut stream)
    }

    fn infer(&self, body: &Value) -> (u16, String) {
        self.ask("POST /v2/models/net/infer HTTP/1.1", body.to_string().as_bytes())
    }

    fn terminate(&self) {
        // SAFETY: the child has not been waited for, so the number is still its own.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGTERM) };
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answer(stream: &mut TcpStream) -> (u16, String) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("no answer: {error}"),
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or(0), body.to_string())
}

fn input(rows: usize) -> Value {
    let values: Vec<f32> = (0..rows * 108).map(|i| ((i * 7) % 11) as f32 - 5.0).collect();
    json!({"name": "x", "shape": [rows, 3, 6, 6], "datatype": "FP32", "data": values})
}

#[test]
fn json_in_and_json_out() {
    let folder = Folder::new();
    folder.npy("x.npy", &[3, 3, 6, 6]);
    folder.run("run net.dla --input x.npy --output y.npy").expect(0);
    let served = Served::start(&folder, "net.dla");
    let (status, body) = served.infer(&json!({"id": "a", "inputs": [input(3)]}));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &body["id"], &body["model_name"]),
        (200, &json!("a"), &json!("net"))
    );
    let output = &body["outputs"][0];
    assert_eq!(
        (&output["shape"], &output["datatype"]),
        (&json!([3, 5]), &json!("FP32"))
    );
    let got: Vec<f32> = serde_json::from_value(output["data"].clone()).unwrap();
    assert_eq!(got, folder.read("y.npy").into_raw_vec_and_offset().0);
}

#[test]
fn every_wrong_request_is_told_what_is_wrong() {
    let folder = Folder::new();
    let served = Served::start(&folder, "net.dla --max-request 1 --queue 40");
    let with = |key: &str, value: Value| {
        let mut input = input(1);
        input[key] = value;
        json!({"inputs": [input]}).to_string()
    };
    let post = "POST /v2/models/net/infer HTTP/1.1";
    let behind = |json: usize| format!("{post}\r\nInference-Header-Content-Length: {json}");
    let binary = |size: u64| {
        json!({"inputs": [{"name": "x", "shape": [1, 3, 6, 6], "datatype": "FP32",
            "parameters": {"binary_data_size": size}}]})
        .to_string()
    };
    let length = binary(432).len();
    let cases: Vec<(String, Vec<u8>, u16, &str)> = vec![
        ("GET /v3 HTTP/1.1".into(), vec![], 404, "nothing at /v3"),
        (
            "GET /v2/models/net/infer HTTP/1.1".into(),
            vec![],
            405,
            "GET is not for",
        ),
        (
            "GET /v2/models/gone HTTP/1.1".into(),
            vec![],
            404,
            "`gone`, only net",
        ),
        (
            "GET /v2/models/net/versions/2/ready HTTP/1.1".into(),
            vec![],
            404,
            "no version `2`",
        ),
        (post.into(), b"{".to_vec(), 400, "not an inference request"),
        (post.into(), b"{}".to_vec(), 400, "missing field `inputs`"),
        (
            post.into(),
            with("name", json!("z")).into(),
            400,
            "`x` is missing",
        ),
        (post.into(), with("datatype", json!("INT8")).into(), 400, "INT8"),
        (
            post.into(),
            with("shape", json!([1, 3, 6, 7])).into(),
            400,
            "126 elements, but 108",
        ),
        (
            post.into(),
            with("shape", json!([-1, 3, 6, 6])).into(),
            400,
            "which is none",
        ),
        (
            post.into(),
            with("shape", json!([3, 36])).into(),
            400,
            "must be [N, 3, 6, 6]",
        ),
        (post.into(), with("data", json!(["1"])).into(), 400, "a number"),
        (
            post.into(),
            json!({"inputs": [input(1), input(1)]}).to_string().into(),
            400,
            "given twice",
        ),
        (
            post.into(),
            json!({"inputs": [input(1)], "outputs": [{"name": "z"}]})
                .to_string()
                .into(),
            400,
            "no output `z`",
        ),
        (
            post.into(),
            json!({"inputs": [input(41)]}).to_string().into(),
            400,
            "queue of 40",
        ),
        (
            post.into(),
            vec![b' '; 1_100_000],
            413,
            "larger than 1048576 bytes",
        ),
        (behind(9999), binary(432).into(), 400, "9999, but the request has"),
        (
            behind(length),
            [binary(432).into_bytes(), vec![0; 431]].concat(),
            400,
            "binary_data_size of input `x`",
        ),
        (
            behind(length),
            [binary(432).into_bytes(), vec![0; 433]].concat(),
            400,
            "no input takes 1 byte of the binary data",
        ),
        (
            behind(binary(31).len()),
            [binary(31).into_bytes(), vec![0; 31]].concat(),
            400,
            "31 bytes, which is no number",
        ),
        (format!("{post}\r\nContent-Encoding: gzip"), vec![1], 400, "gzip"),
    ];
    for (head, body, want, says) in cases {
        let (status, answer) = served.ask(&head, &body);
        assert_eq!(status, want, "{says}: {answer}");
        let said: Value = serde_json::from_str(&answer).unwrap();
        assert!(said["error"].as_str().unwrap().contains(says), "{says}: {answer}");
    }
    assert_eq!(served.infer(&json!({"inputs": [input(40)]})).0, 200, "it goes on");
}

#[test]
fn clients_that_dawdle_are_sent_away() {
    let folder = Folder::new();
    let options = "net.dla --header-timeout 400ms --request-timeout 700ms --max-connections 2";
    let served = Served::start(&folder, options);
    let head = "POST /v2/models/net/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n";
    let body = format!("{head}Connection: close\r\n\r\n{{\"inputs\"");
    for (address, bytes, status, why) in [
        (&served.http, "", 0, "nothing at all"),
        (&served.http, "GET /v2/hea", 0, "half a line"),
        (&served.http, head, 0, "a head without end"),
        (&served.http, &body, 408, "half a body"),
        (&served.grpc, "", 0, "nothing at all"),
        (&served.grpc, "PRI * HTTP/2.0\r\n\r\nSM", 0, "half a preface"),
    ] {
        let mut stream = served.connect(address);
        stream.write_all(bytes.as_bytes()).unwrap();
        let (got, text) = answer(&mut stream);
        // Some servers say 408 before they hang up on half a head.
        assert!(got == status || got == 408, "{why}: {got} {text}");
        assert!(
            status == 0 || text.contains("did not arrive within"),
            "{why}: {text}"
        );
    }
    let dawdlers: Vec<TcpStream> = (0..2).map(|_| served.connect(&served.http)).collect();
    assert_eq!(
        served.infer(&json!({"inputs": [input(2)]})).0,
        200,
        "two of two connections are given free again"
    );
    drop(dawdlers);
}

#[test]
fn a_full_queue_and_a_slow_model_are_said() {
    let folder = Folder::new();
    folder.write("net.dla", &bundle(slow(), "none").to_bytes());
    let served = Served::start(&folder, "net.dla --queue 8 --request-timeout 1ms --devices gpu");
    let row: Vec<f32> = vec![1.0; 3 * 48 * 48];
    let body =
        json!({"inputs": [{"name": "x", "shape": [8, 3, 48, 48], "datatype": "FP32", "data": vec![row; 8]}]});
    let seen = Mutex::new(Vec::new());
    let started = Instant::now();
    let both = || {
        let seen = seen.lock().unwrap();
        assert!(started.elapsed() < PATIENCE, "{seen:?}");
        seen.contains(&504) && seen.contains(&503)
    };
    let client = || {
        while !both() {
            let (status, text) = served.infer(&body);
            let want = match status {
                504 => "no answer within 1ms",
                503 => "the queue of 8 rows is full",
                // The body alone may take longer than a millisecond.
                408 => "did not arrive within",
                200 => "outputs",
                other => panic!("{other}: {text}"),
            };
            assert!(text.contains(want), "{text}");
            seen.lock().unwrap().push(status);
        }
    };
    // One client alone may never be quicker than the model.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(client);
        }
    });
}

#[test]
fn a_server_drains_when_it_is_told_to_stop() {
    let folder = Folder::new();
    folder.write("net.dla", &bundle(slow(), "none").to_bytes());
    let mut served = Served::start(&folder, "net.dla --devices gpu");
    let row: Vec<f32> = vec![1.0; 3 * 48 * 48];
    let rows = 100;
    let body = json!({"inputs": [{"name": "x", "shape": [rows, 3, 48, 48], "datatype": "FP32", "data": vec![row; rows]}]}).to_string();
    let mut stream = served.connect(&served.http);
    let head = format!(
        "POST /v2/models/net/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let waiting = || served.ask("GET /metrics HTTP/1.1", b"").1;
    let started = Instant::now();
    while waiting().contains("tvm_dla_rows_waiting{model=\"net\"} 0\n") && started.elapsed() < PATIENCE {}
    served.terminate();
    let (status, text) = answer(&mut stream);
    assert_eq!(status, 200, "{text}");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    assert!(
        TcpStream::connect(&served.http).is_err(),
        "nobody listens any more"
    );
}

/// A server with a certificate for `localhost`, and clients that trust it.
fn encrypted(folder: &Folder) -> (Served, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    folder.write("cert.pem", made.cert.pem().as_bytes());
    folder.write("key.pem", made.key_pair.serialize_pem().as_bytes());
    let served = Served::start(folder, "net.dla --tls cert.pem key.pem --header-timeout 5s");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    (served, config.with_root_certificates(roots).with_no_client_auth())
}

#[test]
fn tls_encrypts_grpc() {
    let folder = Folder::new();
    let (served, mut config) = encrypted(&folder);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (answer, status) = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(&served.grpc).await.unwrap();
        let name = "localhost".try_into().unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector.connect(name, stream).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let uri = "https://localhost/inference.GRPCInferenceService/ServerReady";
        let request = http::Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let mut sender = sender.ready().await.unwrap();
        let request = request.body(()).unwrap();
        let (response, mut body) = sender.send_request(request, false).unwrap();
        // A message without fields: not compressed, of length 0.
        body.send_data(vec![0; 5].into(), true).unwrap();
        let mut body = response.await.unwrap().into_body();
        let mut answer = Vec::new();
        while let Some(chunk) = body.data().await {
            answer.extend_from_slice(&chunk.unwrap());
        }
        let trailers = body.trailers().await.unwrap().unwrap();
        (answer, trailers["grpc-status"].clone())
    });
    assert_eq!(status, "0");
    assert_eq!(answer, [0, 0, 0, 0, 2, 8, 1], "field 1, ready, is true");
    // In the clear the server says nothing but that it hangs up: at most a TLS alert.
    let mut plain = served.connect(&served.grpc);
    plain.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    const ALERT: u8 = 21;
    assert!(said.first().is_none_or(|first| *first == ALERT), "{said:?}");
}

#[test]
fn tls_encrypts_http() {
    let folder = Folder::new();
    let (served, config) = encrypted(&folder);
    let name = "localhost".try_into().unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(client, served.connect(&served.http));
    let request = b"GET /v2/health/ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK"), "{text}");
    let (status, plain) = served.ask("GET /v2 HTTP/1.1", b"");
    assert_eq!((status, plain.as_str()), (0, ""), "nothing is said in the clear");
}

#[test]
fn what_cannot_be_served_says_why() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    folder.write("no.pem", b"not a certificate");
    for (line, parts) in [
        ("serve".to_string(), vec!["ARTIFACTS"]),
        ("serve gone.dla".to_string(), vec!["gone.dla"]),
        (
            format!("serve net.dla --http-port {port} --grpc-port 0"),
            vec!["cannot listen on", "another program"],
        ),
        (
            format!("serve net.dla --http-port 0 --grpc-port {port}"),
            vec!["cannot listen on"],
        ),
        (
            "serve net.dla a=net.dla a=net.dla --http-port 0 --grpc-port 0".to_string(),
            vec!["`a`", "NAME=ARTIFACT"],
        ),
        (
            "serve net.dla --host 192.0.2.1 --http-port 0".to_string(),
            vec!["192.0.2.1"],
        ),
        ("serve net.dla --host nowhere".to_string(), vec!["nowhere"]),
        (
            "serve net.dla --http-port 0 --grpc-port 0 --tls no.pem no.pem".to_string(),
            vec!["no.pem", "certificate"],
        ),
        (
            "serve net.dla --http-port 0 --grpc-port 0 --tls gone.pem k".to_string(),
            vec!["gone.pem"],
        ),
        (
            "serve net.dla --max-latency 1ns".to_string(),
            vec!["cannot be kept"],
        ),
    ] {
        let run = folder.run(&line).expect(2);
        for part in parts {
            assert!(run.stderr.contains(part), "{line}: {part}: {}", run.stderr);
        }
        assert_eq!(run.stdout, "", "{line}");
    }
}

#[test]
fn a_model_without_a_batch_answers_its_own_shapes() {
    let folder = Folder::new();
    folder.npy("x.npy", &[1, 3, 6, 6]);
    for (name, graph, shape) in without_batch() {
        folder.write("net.dla", &bundle(graph, "none").to_bytes());
        folder
            .run("run net.dla --input x.npy --precision fp32 --output y.npy")
            .expect(0);
        let served = Served::start(&folder, "net.dla");
        let (_, metadata) = served.ask("GET /v2/models/net HTTP/1.1", b"");
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        assert_eq!(metadata["inputs"][0]["shape"], json!([1, 3, 6, 6]), "{name}");
        assert_eq!(metadata["outputs"][0]["shape"], json!(shape), "{name}");
        let (status, body) = served.infer(&json!({"inputs": [input(1)]}));
        assert_eq!(status, 200, "{name}: {body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["outputs"][0]["shape"], json!(shape), "{name}");
        let got: Vec<f32> = serde_json::from_value(body["outputs"][0]["data"].clone()).unwrap();
        assert_eq!(got, folder.read("y.npy").into_raw_vec_and_offset().0, "{name}");
        let (status, body) = served.infer(&json!({"inputs": [input(2)]}));
        assert_eq!(status, 400, "{name}: {body}");
        assert!(body.contains("must be [1, 3, 6, 6]"), "{name}: {body}");
    }
}

#[test]
fn a_float16_model_is_served_in_float16() {
    let folder = Folder::new();
    let relu = Op::Activation(Activation::Relu);
    folder.write("net.dla", &bundle(headed(DType::F16, &[relu]), "none").to_bytes());
    let served = Served::start(&folder, "net.dla");
    let (_, metadata) = served.ask("GET /v2/models/net HTTP/1.1", b"");
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["inputs"][0]["datatype"], "FP16");
    assert_eq!(metadata["outputs"][0]["datatype"], "FP16");
    let values: Vec<f32> = serde_json::from_value(input(1)["data"].clone()).unwrap();
    let halves: Vec<u8> = values
        .iter()
        .flat_map(|v| half::f16::from_f32(*v).to_le_bytes())
        .collect();
    let head = json!({"parameters": {"binary_data_output": true}, "inputs": [{"name": "x",
        "shape": [1, 3, 6, 6], "datatype": "FP16", "parameters": {"binary_data_size": 216}}]})
    .to_string();
    let line = format!(
        "POST /v2/models/net/infer HTTP/1.1\r\nInference-Header-Content-Length: {}",
        head.len()
    );
    let body = [head.as_bytes(), &halves].concat();
    let (status, binary) = served.ask(&line, &body);
    assert_eq!(status, 200, "{binary}");
    assert!(binary.contains("\"datatype\":\"FP16\""), "{binary}");
    assert!(binary.contains("\"binary_data_size\":576"), "{binary}");
    let (status, rounded) = served.infer(&json!({"inputs": [input(1)]}));
    assert_eq!(status, 200, "float32 is rounded: {rounded}");
    let mut wrong = input(1);
    wrong["datatype"] = json!("INT8");
    let (status, text) = served.infer(&json!({"inputs": [wrong]}));
    assert_eq!((status, text.contains("takes FP16")), (400, true), "{text}");
}

/// Connections that wait for no answer do not hold a server that is told to stop.
#[test]
fn silent_connections_do_not_hold_the_end() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
    // HEADERS of stream 1 without END_STREAM: :method POST, :scheme http, :path /.
    const ASKING: &[u8] = &[0, 0, 3, 1, 4, 0, 0, 0, 1, 0x83, 0x86, 0x84];
    for (bytes, why) in [
        (Vec::new(), "a connection that says nothing"),
        (PREFACE.to_vec(), "half a handshake"),
        ([PREFACE, SETTINGS].concat(), "an idle channel that reads nothing"),
        ([PREFACE, SETTINGS, ASKING].concat(), "a request that never ends"),
    ] {
        let folder = Folder::new();
        let mut served = Served::start(&folder, "net.dla --header-timeout 60s");
        let mut idle = served.connect(&served.grpc);
        idle.write_all(&bytes).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let told = Instant::now();
        served.terminate();
        assert_eq!(served.child.wait().unwrap().code(), Some(0), "{why}");
        let took = told.elapsed();
        assert!(took < Duration::from_secs(10), "{why}: {took:?}");
    }
}

#[test]
fn rows_that_depend_on_each_other_are_answered_in_whole_units() {
    let folder = Folder::new();
    folder.write("net.dla", &bundle(mixing(), "none").to_bytes());
    let served = Served::start(&folder, "net.dla --devices gpu,dla0");
    let (_, metadata) = served.ask("GET /v2/models/net HTTP/1.1", b"");
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let shapes = ["inputs", "outputs"].map(|ends| metadata[ends][0]["shape"].clone());
    let want = [json!([2, 3, 6, 6]), json!([2, 8, 6, 6])];
    assert_eq!(shapes, want, "not any number of rows");
    let ask = |rows: usize| {
        let data: Vec<usize> = (0..rows * 108).map(|v| v % 5).collect();
        let input = json!({"name": "x", "shape": [rows, 3, 6, 6], "datatype": "FP32", "data": data});
        served.infer(&json!({ "inputs": [input] }))
    };
    let (status, text) = ask(4);
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["outputs"][0]["shape"], json!([4, 8, 6, 6]), "{text}");
    let (status, text) = ask(3);
    assert_eq!(status, 400, "{text}");
    assert!(text.contains("runs only in batches of 2"), "{text}");
}

#[test]
fn a_model_whose_outputs_have_no_rows_says_so_and_answers_its_own_shapes() {
    for (name, graph, shapes) in elsewhere() {
        let folder = Folder::new();
        folder.write("net.dla", &bundle(graph, "none").to_bytes());
        let served = Served::start(&folder, "net.dla");
        let (_, metadata) = served.ask("GET /v2/models/net HTTP/1.1", b"");
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        assert_eq!(metadata["inputs"][0]["shape"], json!([2, 3, 6, 6]), "{name}");
        let (status, text) = served.infer(&json!({"inputs": [input(2)]}));
        assert_eq!(status, 200, "{name}: {text}");
        let answer: Value = serde_json::from_str(&text).unwrap();
        for (at, shape) in shapes.iter().enumerate() {
            assert_eq!(metadata["outputs"][at]["shape"], json!(shape), "{name}");
            assert_eq!(answer["outputs"][at]["shape"], json!(shape), "{name}");
        }
        let (status, text) = served.infer(&json!({"inputs": [input(4)]}));
        assert_eq!(status, 400, "{name}: {text}");
        assert!(text.contains("must be [2, 3, 6, 6]"), "{name}: {text}");
    }
}
