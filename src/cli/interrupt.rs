//! Ctrl-C: the first asks the work to stop, the second stops the process.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use super::error::Failure;

/// The flag that Ctrl-C sets.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Takes over SIGINT and SIGTERM. Called once per process.
    pub fn install() -> Result<Interrupt, Failure> {
        let flag = Arc::new(AtomicBool::new(false));
        let seen = flag.clone();
        ctrlc::set_handler(move || {
            if seen.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        })?;
        Ok(Interrupt(flag))
    }

    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }

    /// An error once Ctrl-C was pressed.
    pub fn check(&self) -> Result<(), Failure> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(Failure::interrupted()),
            false => Ok(()),
        }
    }
}
