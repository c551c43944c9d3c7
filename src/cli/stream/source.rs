//! Where items come from, and how that ends.

use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Serialize;

use super::decode::{Decoder, Item};
use super::files::{Files, Sequence};
use super::tcp::Tcp;
use super::{Arguments, Output};
use crate::cli::inputs::expand;

/// One `--source`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Path(PathBuf),
    /// Files numbered from 0 or 1: what comes before and after the number, and its least digits.
    Numbered {
        before: String,
        digits: usize,
        after: String,
    },
    /// HOST:PORT
    Tcp(String),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        if let Some(address) = text.strip_prefix("tcp://") {
            return match address.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                    Ok(Place::Tcp(address.to_string()))
                }
                _ => Err("write tcp://HOST:PORT, for example tcp://127.0.0.1:9000".to_string()),
            };
        }
        let Some((before, rest)) = text.split_once('%') else {
            return Ok(Place::Path(text.into()));
        };
        let number = rest.split_once('d');
        let number = number
            .filter(|(digits, after)| digits.chars().all(|c| c.is_ascii_digit()) && !after.contains('%'));
        let (digits, after) = number.ok_or("write the number once, as %d or %06d")?;
        Ok(Place::Numbered {
            before: before.to_string(),
            digits: digits.parse().unwrap_or(0),
            after: after.to_string(),
        })
    }
}

/// What a source gives when asked for more.
pub enum Step {
    /// Items that arrive together, and what they are called.
    Items {
        name: Arc<str>,
        items: Vec<Item>,
    },
    /// Something that is no item; the source goes on.
    Refused(String),
    End(Ended),
}

/// How a source ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ended {
    /// It had no more.
    Complete,
    Stalled {
        seconds: f64,
    },
    /// What it sent cannot be read, nor anything after it.
    Garbage {
        reason: String,
    },
    /// Its connection broke.
    Lost {
        reason: String,
    },
    /// Ctrl-C.
    Interrupted,
}

impl Ended {
    pub fn stalled(after: Duration) -> Ended {
        Ended::Stalled {
            seconds: after.as_secs_f64(),
        }
    }
}

pub trait Source: Send {
    fn next(&mut self) -> Step;
}

/// Opens what the user named; files that are sent at a rate or repeatedly are read now.
pub fn open(
    arguments: &Arguments,
    decoder: Decoder,
    cancel: Arc<AtomicBool>,
    output: &Output,
) -> Result<Box<dyn Source>, Box<dyn Error>> {
    match &arguments.source[..] {
        [Place::Tcp(address)] => {
            if arguments.rate.is_some() || arguments.count.is_some() || arguments.follow {
                return Err(
                    "--rate, --count and --follow are for files: a tcp source has its own pace and end"
                        .into(),
                );
            }
            let most = arguments.max_frame as usize * 1024 * 1024;
            let source = Tcp::connect(address, decoder, cancel, arguments.stall, most)?;
            Ok(Box::new(source))
        }
        [numbered @ Place::Numbered { .. }] if arguments.follow => {
            let stall = arguments.stall;
            let source = Sequence::new(numbered.clone(), decoder, cancel, stall);
            Ok(Box::new(source))
        }
        places => {
            if arguments.follow {
                return Err(
                    "--follow needs one numbered sequence, for example --source frame-%06d.png".into(),
                );
            }
            let files = Files::new(named(places)?, decoder);
            match (arguments.rate, arguments.count) {
                (None, None) => Ok(Box::new(files)),
                (_, count) => Ok(Box::new(files.preload(count, output)?)),
            }
        }
    }
}

/// The files of several places in their order.
fn named(places: &[Place]) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut files = Vec::new();
    for place in places {
        match place {
            Place::Tcp(address) => {
                return Err(format!("tcp://{address} cannot be mixed with other sources").into());
            }
            Place::Path(path) if path.is_dir() => files.extend(expand(std::slice::from_ref(path))?),
            Place::Path(path) => files.push(path.clone()),
            Place::Numbered { .. } => {
                let first = place.first().ok_or_else(|| {
                    format!(
                        "there is no {}: a sequence begins with 0 or 1; --follow waits for it",
                        place.file(0).display()
                    )
                })?;
                let numbered = (first..).map(|number| place.file(number));
                files.extend(numbered.take_while(|file| file.exists()));
            }
        }
    }
    match files.iter().find(|file| !file.is_file()) {
        Some(file) => Err(format!("there is no file {}", file.display()).into()),
        None => Ok(files),
    }
}

impl Place {
    /// The file of this number; a place that is not numbered is one file.
    pub fn file(&self, number: u64) -> PathBuf {
        match self {
            Place::Path(path) => path.clone(),
            Place::Tcp(address) => address.into(),
            Place::Numbered {
                before,
                digits,
                after,
            } => format!("{before}{number:0digits$}{after}").into(),
        }
    }

    /// The number of the first file that is there.
    pub fn first(&self) -> Option<u64> {
        (0..2).find(|number| self.file(*number).exists())
    }
}
