//! Serve a model over HTTP from a program of your own, and ask it.
//!
//! `cargo run --release --example serve -- model.tar`

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tvm_dla::serve::{Model, ServeConfig, Server};
use tvm_dla::{Session, StreamConfig};

fn main() -> Result<(), Box<dyn Error>> {
    let artifact = std::env::args_os().nth(1);
    let session = Session::load(artifact.ok_or("usage: serve ARTIFACT")?)?;
    println!("{}", serve_and_ask(session)?);
    Ok(())
}

/// Starts a server on any free port, asks it about one row of zeros, and stops it.
pub fn serve_and_ask(session: Session) -> Result<Value, Box<dyn Error>> {
    let input = session.inputs().swap_remove(0);
    let mut shape = input.shape;
    shape[0] = 1;
    let model = Model::start("net", Arc::new(session), &StreamConfig::default())?;
    let server = Server::start(
        vec![model],
        ServeConfig {
            host: Ipv4Addr::LOCALHOST.into(),
            http_port: Some(0),
            grpc_port: None,
            tls: None,
            max_request: 64 << 20,
            request_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            max_connections: 64,
            drain_timeout: Duration::from_secs(10),
        },
    )?;
    let address = server.addresses().http.ok_or("no port was opened")?;
    let zeros = vec![0.0; shape.iter().product()];
    let tensor = json!({"name": input.name, "shape": shape, "datatype": "FP32", "data": zeros});
    let answer = post(address, "/v2/models/net/infer", &json!({"inputs": [tensor]}))?;
    server.drain(); // answers what is in flight
    Ok(answer)
}

/// Any client of the Open Inference Protocol does; this is the least of one.
fn post(address: SocketAddr, path: &str, body: &Value) -> Result<Value, Box<dyn Error>> {
    let body = body.to_string();
    let mut connection = TcpStream::connect(address)?;
    write!(
        connection,
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no answer")?;
    Ok(serde_json::from_str(body)?)
}
