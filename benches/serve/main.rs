//! What serving costs beside running in the same process: `cargo bench --bench serve [-- ARTIFACT]`.
//!
//! Eight clients, each with one request of eight rows in flight, in turn within this process, over HTTP and over gRPC, both
//! with binary tensors, so that a noisy machine hurts all alike. Without an artifact the engines only wait, as a board's do for
//! the CPU: three devices that take together 600 rows of 3 x 224 x 224 per second, the best rate the paper shows.

mod grpc;
#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Sender, bounded};
use support::Timed;
use tvm_dla::engine::Array;
use tvm_dla::graph::{Conv2d, GraphBuilder, Op, Padding2d};
use tvm_dla::pipeline::StreamItem;
use tvm_dla::serve::{Model, ServeConfig, Server};
use tvm_dla::session::{Session, StreamConfig};

const CLIENTS: usize = 8;
const ROWS: usize = 8;
const TURNS: usize = 3;
const TURN: Duration = Duration::from_secs(4);
const PER_ROW: Duration = Duration::from_millis(5);

fn waiting() -> Arc<Session> {
    let mut b = GraphBuilder::new("net");
    let x = b.input("x", &[1, 3, 224, 224]);
    let w = b.weight("w", &[8, 3, 1, 1], vec![1.0; 24]);
    let conv = Conv2d {
        stride: [8, 8],
        padding: Padding2d::default(),
        dilation: [1, 1],
        groups: 1,
    };
    let y = b.node("conv", Op::Conv2d(conv), &[x, w]).unwrap();
    b.output(y);
    let backend = Timed {
        time: PER_ROW,
        spend: thread::sleep,
    };
    Arc::new(support::session(b.finish().unwrap(), backend))
}

fn batch(session: &Session) -> Array {
    let mut shape = session.graph().tensor(session.graph().inputs[0]).shape.clone();
    shape[0] = ROWS;
    Array {
        data: Arc::new(vec![0.25; shape.iter().product()]),
        shape,
    }
}

/// Runs `client` in `CLIENTS` threads for one turn; rows per second.
fn turn(client: impl Fn(&AtomicBool, &AtomicUsize) + Sync) -> f64 {
    let (stop, rows) = (AtomicBool::new(false), AtomicUsize::new(0));
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| client(&stop, &rows));
        }
        thread::sleep(TURN);
        stop.store(true, Ordering::Relaxed);
    });
    rows.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

fn in_process(session: &Arc<Session>, config: &StreamConfig) -> f64 {
    let input = batch(session);
    let stream = session.stream::<Sender<()>>(config).unwrap();
    let (entry, answers) = (stream.input.clone(), stream.answers.clone());
    let dispatch = thread::spawn(move || {
        for answer in answers {
            answer.outputs.unwrap();
            let _ = answer.tag.send(());
        }
    });
    let rate = turn(|stop, rows| {
        let (done, answered) = bounded(ROWS);
        while !stop.load(Ordering::Relaxed) {
            let arrived = Instant::now();
            let items = session.rows(std::slice::from_ref(&input)).unwrap().into_iter();
            let item = |inputs| StreamItem {
                inputs,
                arrived,
                tag: done.clone(),
            };
            entry.try_send(items.map(item).collect()).unwrap();
            for _ in 0..ROWS {
                answered.recv().unwrap();
            }
            rows.fetch_add(ROWS, Ordering::Relaxed);
        }
    });
    drop(entry);
    stream.finish();
    dispatch.join().unwrap();
    rate
}

fn over_http(session: &Arc<Session>, config: &StreamConfig) -> f64 {
    let input = batch(session);
    let name = &session.graph().tensor(session.graph().inputs[0]).name;
    let bytes: Vec<u8> = input.data.iter().flat_map(|v| v.to_le_bytes()).collect();
    let json = format!(
        r#"{{"inputs":[{{"name":"{name}","shape":{:?},"datatype":"FP32","parameters":{{"binary_data_size":{}}}}}],"parameters":{{"binary_data_output":true}}}}"#,
        input.shape,
        bytes.len()
    );
    let head = format!(
        "POST /v2/models/m/infer HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nInference-Header-Content-Length: {}\r\n\r\n",
        json.len() + bytes.len(),
        json.len()
    );
    let request = [head.as_bytes(), json.as_bytes(), &bytes].concat();
    let model = Model::start("m", session.clone(), config).unwrap();
    let server = Server::start(vec![model], serve_config()).unwrap();
    let address = server.addresses().http.unwrap();
    let rate = turn(|stop, rows| {
        let mut connection = BufReader::new(TcpStream::connect(address).unwrap());
        while !stop.load(Ordering::Relaxed) {
            connection.get_mut().write_all(&request).unwrap();
            read_answer(&mut connection);
            rows.fetch_add(ROWS, Ordering::Relaxed);
        }
    });
    server.drain();
    rate
}

fn over_grpc(session: &Arc<Session>, config: &StreamConfig) -> f64 {
    let input = batch(session);
    let name = &session.graph().tensor(session.graph().inputs[0]).name;
    let message = grpc::message("m", name, &input);
    let model = Model::start("m", session.clone(), config).unwrap();
    let server = Server::start(vec![model], serve_config()).unwrap();
    let address = server.addresses().grpc.unwrap();
    let rate = turn(|stop, rows| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        runtime.unwrap().block_on(async {
            let mut client = grpc::Client::connect(address).await;
            while !stop.load(Ordering::Relaxed) {
                client.ask(message.clone()).await;
                rows.fetch_add(ROWS, Ordering::Relaxed);
            }
        });
    });
    server.drain();
    rate
}

fn serve_config() -> ServeConfig {
    let limit = Duration::from_secs(60);
    ServeConfig {
        host: SocketAddr::from(([127, 0, 0, 1], 0)).ip(),
        http_port: Some(0),
        grpc_port: Some(0),
        tls: None,
        max_request: 64 << 20,
        request_timeout: limit,
        header_timeout: limit,
        max_connections: 64,
        drain_timeout: limit,
    }
}

fn read_answer(connection: &mut BufReader<TcpStream>) {
    let (mut length, mut line) = (0, String::new());
    connection.read_line(&mut line).unwrap();
    assert!(line.contains(" 200 "), "{line}");
    while line != "\r\n" {
        line.clear();
        connection.read_line(&mut line).unwrap();
        if let Some(number) = line.to_lowercase().strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
    }
    connection.read_exact(&mut vec![0; length]).unwrap();
}

fn main() {
    let artifact = std::env::args().skip(1).find(|word| !word.starts_with("--"));
    let session = match &artifact {
        Some(path) => Arc::new(Session::load_emulated(Path::new(path)).unwrap()),
        None => waiting(),
    };
    println!(
        "{CLIENTS} clients of {ROWS} rows each, {}",
        session.backend().describe()
    );
    let config = StreamConfig {
        capacity: 1024,
        max_batch: ROWS,
        ..StreamConfig::default()
    };
    let [mut inside, mut http, mut grpc] = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        inside.push(in_process(&session, &config));
        http.push(over_http(&session, &config));
        grpc.push(over_grpc(&session, &config));
    }
    let mean = |rates: &[f64]| rates.iter().sum::<f64>() / rates.len() as f64;
    for (way, rates) in [("in process", &inside), ("HTTP", &http), ("gRPC", &grpc)] {
        let ratio = mean(rates) / mean(&inside);
        println!(
            "{way:10} {:5.0} rows/s, ratio {ratio:.3}  {rates:.0?}",
            mean(rates)
        );
    }
}
