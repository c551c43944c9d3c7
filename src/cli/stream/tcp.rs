//! A source on the network.
//!
//! A stream of frames: four bytes, the length of what follows as an unsigned little-endian number, then as many bytes:
//! a `.npy` file (float32; one row, or several along the first axis), a `.npz` file with an array per input, or a
//! picture. A length of 0 says that there is no more. A connection that ends without it may have lost something.

use std::error::Error;
use std::io::{self, ErrorKind, Read};
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::decode::Decoder;
use super::source::{Ended, Source, Step};
use crate::cli::helped;

/// How soon Ctrl-C is noticed while nothing comes.
const TICK: Duration = Duration::from_millis(100);
const CONNECT: Duration = Duration::from_secs(5);

pub struct Tcp {
    stream: TcpStream,
    address: String,
    decoder: Decoder,
    cancel: Arc<AtomicBool>,
    stall: Duration,
    /// Bytes of the largest frame.
    most: usize,
    frames: u64,
}

impl Tcp {
    pub fn connect(
        address: &str,
        decoder: Decoder,
        cancel: Arc<AtomicBool>,
        stall: Duration,
        most: usize,
    ) -> Result<Tcp, Box<dyn Error>> {
        let cannot = |e: &dyn Error| {
            helped(
                format!("cannot connect to tcp://{address}: {e}"),
                "the source has to listen before the stream starts",
            )
        };
        let found = address.to_socket_addrs().map_err(|e| cannot(&e))?;
        let mut last = io::Error::from(ErrorKind::NotFound);
        for place in found {
            match TcpStream::connect_timeout(&place, CONNECT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(TICK))?;
                    return Ok(Tcp {
                        stream,
                        address: address.to_string(),
                        decoder,
                        cancel,
                        stall,
                        most,
                        frames: 0,
                    });
                }
                Err(error) => last = error,
            }
        }
        Err(cannot(&last))
    }

    /// Fills `buffer`. `Ok(false)` when the connection ended before its first byte.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<bool, Ended> {
        let (mut got, mut since) = (0, Instant::now());
        while got < buffer.len() {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(Ended::Interrupted);
            }
            match self.stream.read(&mut buffer[got..]) {
                Ok(0) if got == 0 => return Ok(false),
                Ok(0) => return Err(self.lost("it ended in the middle of a frame")),
                Ok(count) => (got, since) = (got + count, Instant::now()),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut if since.elapsed() < self.stall => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Err(Ended::stalled(self.stall)),
                    ErrorKind::Interrupted => {}
                    _ => return Err(self.lost(&error.to_string())),
                },
            }
        }
        Ok(true)
    }

    fn lost(&self, what: &str) -> Ended {
        Ended::Lost {
            reason: format!("tcp://{}: after {} frames: {what}", self.address, self.frames),
        }
    }

    fn frame(&mut self) -> Result<Vec<u8>, Ended> {
        let mut length = [0; 4];
        if !self.fill(&mut length)? {
            return Err(self.lost("it ended without an end frame (length 0)"));
        }
        let length = u32::from_le_bytes(length) as usize;
        if length == 0 {
            return Err(Ended::Complete);
        }
        if length > self.most {
            return Err(Ended::Garbage {
                reason: format!(
                    "tcp://{}: frame {} claims {length} bytes, more than --max-frame allows: this is not a frame, or it is too large",
                    self.address, self.frames
                ),
            });
        }
        let mut frame = vec![0; length];
        if self.fill(&mut frame)? {
            Ok(frame)
        } else {
            Err(self.lost("it ended in the middle of a frame"))
        }
    }
}

impl Source for Tcp {
    fn next(&mut self) -> Step {
        let bytes = match self.frame() {
            Ok(bytes) => bytes,
            Err(ended) => return Step::End(ended),
        };
        let name = format!("frame {}", self.frames);
        self.frames += 1;
        match self.decoder.frame(&bytes, &name) {
            Ok(items) => Step::Items {
                name: name.into(),
                items,
            },
            // The length was right, so the next frame can be read.
            Err(error) => Step::Refused(error.to_string()),
        }
    }
}
