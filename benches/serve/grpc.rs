//! A client of `inference.GRPCInferenceService` with raw tensors, by hand over HTTP/2.

use std::net::SocketAddr;

use h2::client::{SendRequest, handshake};
use http::Request;
use prost::Message;
use prost::bytes::Bytes;
use tokio::net::TcpStream;
use tvm_dla::engine::Array;

/// The fields that are sent, by their numbers in the protocol.
#[derive(Clone, PartialEq, Message)]
struct Infer {
    #[prost(string, tag = "1")]
    model: String,
    #[prost(message, repeated, tag = "5")]
    inputs: Vec<Input>,
    #[prost(bytes = "vec", repeated, tag = "7")]
    raw: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct Input {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    datatype: String,
    #[prost(int64, repeated, tag = "3")]
    shape: Vec<i64>,
}

/// A request as one message of gRPC: not compressed, its length, its bytes.
pub fn message(model: &str, name: &str, input: &Array) -> Bytes {
    let infer = Infer {
        model: model.to_string(),
        inputs: vec![Input {
            name: name.to_string(),
            datatype: "FP32".to_string(),
            shape: input.shape.iter().map(|d| *d as i64).collect(),
        }],
        raw: vec![input.data.iter().flat_map(|v| v.to_le_bytes()).collect()],
    };
    let body = infer.encode_to_vec();
    let length = (body.len() as u32).to_be_bytes();
    [&[0][..], &length, &body].concat().into()
}

/// One connection.
pub struct Client {
    sender: SendRequest<Bytes>,
    uri: String,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = handshake(stream).await.unwrap();
        tokio::spawn(connection);
        Client {
            sender,
            uri: format!("http://{address}/inference.GRPCInferenceService/ModelInfer"),
        }
    }

    /// Sends a message and reads the answer to its end.
    pub async fn ask(&mut self, message: Bytes) {
        let request = Request::post(&self.uri)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .unwrap();
        let mut sender = self.sender.clone().ready().await.unwrap();
        let (response, mut body) = sender.send_request(request, false).unwrap();
        body.send_data(message, true).unwrap();
        let mut answer = response.await.unwrap().into_body();
        let mut bytes = 0;
        while let Some(chunk) = answer.data().await {
            let chunk = chunk.unwrap();
            bytes += chunk.len();
            answer.flow_control().release_capacity(chunk.len()).unwrap();
        }
        let trailers = answer.trailers().await.unwrap().unwrap();
        assert_eq!(trailers["grpc-status"], "0", "{trailers:?}");
        assert!(bytes > 5, "an answer has outputs");
    }
}
