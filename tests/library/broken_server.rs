//! A panic in a worker is an error for the client who met it, and a server that is no longer ready, over both protocols.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tvm_dla::bundle::{Bundle, Options};
use tvm_dla::engine::{Backend, Engine, EngineError, EngineSpec, Rows};
use tvm_dla::graph::{Activation, Graph, GraphBuilder, Op};
use tvm_dla::plan::Device;
use tvm_dla::serve::{Model, ServeConfig, Server};
use tvm_dla::session::{Session, SessionConfig, StreamConfig};

/// Gives back what it is given, until it is told to panic.
struct Brittle(Arc<AtomicBool>);

struct BrittleEngine {
    batch: usize,
    rows: Option<Vec<Rows>>,
    panics: Arc<AtomicBool>,
}

impl Backend for Brittle {
    fn name(&self) -> &'static str {
        "brittle"
    }

    fn describe(&self) -> String {
        "an echo".into()
    }

    fn devices(&self) -> Vec<Device> {
        vec![Device::Gpu]
    }

    fn build(&self, _: &Graph, spec: &EngineSpec) -> Result<Box<dyn Engine>, EngineError> {
        Ok(Box::new(BrittleEngine {
            batch: spec.batch,
            rows: None,
            panics: self.0.clone(),
        }))
    }
}

impl Engine for BrittleEngine {
    fn batch(&self) -> usize {
        self.batch
    }

    fn enqueue(&mut self, inputs: Vec<Rows>) -> Result<(), EngineError> {
        self.rows = Some(inputs);
        Ok(())
    }

    fn wait(&mut self) -> Result<Vec<Vec<f32>>, EngineError> {
        assert!(!self.panics.load(Ordering::Relaxed), "injected");
        let rows = self.rows.take().expect("enqueued");
        Ok(rows.iter().map(|rows| rows.as_slice().to_vec()).collect())
    }
}

fn model(panics: &Arc<AtomicBool>) -> Model {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 4]);
    let y = b.node("y", Op::Activation(Activation::Relu), &[x]).unwrap();
    b.output(y);
    let bundle = Bundle {
        graph: b.finish().unwrap(),
        options: Options::default(),
        plan: None,
        origin: None,
        kept: Vec::new(),
    };
    let backend = Arc::new(Brittle(panics.clone()));
    let session = Session::from_bundle(bundle, backend, SessionConfig::default()).unwrap();
    Model::start("net", Arc::new(session), &StreamConfig::default()).unwrap()
}

fn config() -> ServeConfig {
    ServeConfig {
        host: IpAddr::V4(Ipv4Addr::LOCALHOST),
        http_port: Some(0),
        grpc_port: Some(0),
        tls: None,
        max_request: 1 << 20,
        request_timeout: Duration::from_secs(30),
        header_timeout: Duration::from_secs(30),
        max_connections: 16,
        drain_timeout: Duration::from_secs(30),
    }
}

/// The status and the text of an answer.
fn ask(address: SocketAddr, line: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let request =
        format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).unwrap().parse().unwrap();
    (status, text)
}

/// Whether a method without arguments answers true.
fn grpc(address: SocketAddr, method: &str) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let uri = format!("http://localhost/inference.GRPCInferenceService/{method}");
        let request = http::Request::post(uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        let mut sender = sender.ready().await.unwrap();
        let request = request.body(()).unwrap();
        let (response, mut body) = sender.send_request(request, false).unwrap();
        body.send_data(vec![0; 5].into(), true).unwrap();
        let mut body = response.await.unwrap().into_body();
        let mut answer = Vec::new();
        while let Some(chunk) = body.data().await {
            answer.extend_from_slice(&chunk.unwrap());
        }
        answer
    });
    answer.ends_with(&[8, 1])
}

#[test]
fn a_panic_is_an_error_and_the_end_of_readiness() {
    let panics = Arc::new(AtomicBool::new(false));
    let server = Server::start(vec![model(&panics)], config()).unwrap();
    let (web, rpc) = (server.addresses().http.unwrap(), server.addresses().grpc.unwrap());
    let infer = || {
        let body =
            r#"{"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [1, 2, 3, 4]}]}"#;
        ask(web, "POST /v2/models/net/infer", body)
    };
    let ready = |path: &str| ask(web, &format!("GET {path}"), "").0;
    assert_eq!(infer().0, 200);
    assert_eq!(
        (ready("/v2/health/ready"), ready("/v2/models/net/ready")),
        (200, 200)
    );
    assert!(grpc(rpc, "ServerReady") && server.troubles().is_empty());

    panics.store(true, Ordering::Relaxed);
    let (status, text) = infer();
    assert_eq!(status, 500, "{text}");
    assert!(text.contains("panicked: injected"), "{text}");
    assert_eq!(
        (ready("/v2/health/ready"), ready("/v2/models/net/ready")),
        (503, 503)
    );
    assert_eq!(ready("/v2/health/live"), 200, "it lives");
    assert!(!grpc(rpc, "ServerReady") && grpc(rpc, "ServerLive"));
    let troubles = server.troubles();
    assert!(
        troubles[0].contains("model net is broken: gpu panicked: injected"),
        "{troubles:?}"
    );
    assert_eq!(infer().0, 500, "every request is answered");
    server.drain();
}
