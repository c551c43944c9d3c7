//! A build's progress, reported from C++ to a closure that may cancel it.

use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use super::error::TrtError;
use super::handle::Owned;
use super::library::Library;
use super::options::{PhaseEvent, Progress, Step};
use super::sys;
use crate::engine::EngineSpec;

/// Listens for as long as it lives.
pub(super) struct Monitor {
    _handle: Owned<sys::Monitor>,
    state: Box<State>,
}

struct State {
    progress: Progress,
    spec: EngineSpec,
    cancelled: AtomicBool,
}

impl Monitor {
    /// `None` where TensorRT has no progress (8.x).
    pub fn attach(
        library: &Library,
        config: &Owned<sys::Config>,
        spec: &EngineSpec,
        progress: &Progress,
    ) -> Result<Option<Monitor>, TrtError> {
        let state = Box::new(State {
            progress: progress.clone(),
            spec: spec.clone(),
            cancelled: AtomicBool::new(false),
        });
        let user = (&raw const *state).cast_mut().cast::<c_void>();
        let destroy = library.table.monitor_destroy;
        // SAFETY: `user` points to the state, which lives as long as the monitor.
        let made = Owned::new(library, "IProgressMonitor", destroy, |table| unsafe {
            (table.monitor_create)(report, user)
        });
        let Ok(handle) = made else {
            return Ok(None);
        };
        // SAFETY: config and monitor live; the config is destroyed first.
        library.status("setProgressMonitor", |table| unsafe {
            (table.config_monitor)(config.as_ptr(), handle.as_ptr())
        })?;
        Ok(Some(Monitor {
            _handle: handle,
            state,
        }))
    }

    pub fn cancelled(&self) -> bool {
        self.state.cancelled.load(Ordering::Relaxed)
    }
}

/// Numbers of `shim.cc`: a phase that begins or ends is no step.
const BEGINS: i32 = -1;
const ENDS: i32 = -2;

/// A panic must not reach C++: it cancels the build.
extern "C" fn report(user: *mut c_void, phase: *const c_char, step: i32, steps: i32) -> i32 {
    // SAFETY: the monitor's state lives until the monitor is destroyed; TensorRT passes a string that lives until this returns.
    let (state, phase) = unsafe { (&*user.cast::<State>(), CStr::from_ptr(phase)) };
    let event = match step {
        BEGINS => PhaseEvent::Begins(steps.unsigned_abs()),
        ENDS => PhaseEvent::Ends,
        step => PhaseEvent::Done(step.unsigned_abs()),
    };
    let phase = phase.to_string_lossy();
    let step = Step {
        spec: &state.spec,
        phase: &phase,
        event,
    };
    let go_on = catch_unwind(AssertUnwindSafe(|| (state.progress)(step))).unwrap_or(false);
    if !go_on {
        state.cancelled.store(true, Ordering::Relaxed);
    }
    i32::from(go_on && !state.cancelled.load(Ordering::Relaxed))
}
