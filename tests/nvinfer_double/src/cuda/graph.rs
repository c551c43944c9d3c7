//! Recorded work: CUDA's graphs, as far as the program uses them.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::stream::{self, Repeatable};
use super::{INVALID_VALUE, SUCCESS, give, known, wrong};
use crate::{journal, life};

/// What was recorded, and what was made of it to be launched.
#[derive(Default)]
struct Graphs {
    last: usize,
    known: HashMap<usize, (u64, Vec<Repeatable>)>,
}

static GRAPHS: Mutex<Option<Graphs>> = Mutex::new(None);

fn with<T>(use_them: impl FnOnce(&mut Graphs) -> T) -> T {
    let mut graphs: MutexGuard<'_, _> = GRAPHS.lock().unwrap_or_else(PoisonError::into_inner);
    use_them(graphs.get_or_insert_default())
}

fn add(kind: &str, work: Vec<Repeatable>) -> *mut c_void {
    with(|graphs| {
        graphs.last += 16;
        graphs.known.insert(graphs.last, (life::born(kind, 0), work));
        graphs.last as *mut c_void
    })
}

fn remove(handle: *mut c_void, call: &str) -> c_int {
    let gone = with(|graphs| graphs.known.remove(&(handle as usize)));
    known(gone.map(|(life, _)| life::died(life)).is_some(), call)
}

#[unsafe(no_mangle)]
extern "C" fn cudaStreamBeginCapture(stream: *mut c_void, mode: c_int) -> c_int {
    if mode != 1 {
        journal::violation("a recording that forbids other threads to allocate memory");
    }
    known(stream::begin_recording(stream as usize), "cudaStreamBeginCapture")
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cudaStreamEndCapture(stream: *mut c_void, graph: *mut *mut c_void) -> c_int {
    match stream::end_recording(stream as usize) {
        // SAFETY: as CUDA demands.
        Some(work) => unsafe { give(graph, add("cudaGraph_t", work)) },
        None => wrong(INVALID_VALUE, "cudaStreamEndCapture: nothing is recorded"),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cudaGraphInstantiateWithFlags(
    made: *mut *mut c_void,
    graph: *mut c_void,
    _flags: u64,
) -> c_int {
    let work = with(|graphs| graphs.known.get(&(graph as usize)).map(|(_, work)| work.clone()));
    match work {
        Some(work) => {
            journal::event(r#"{"event": "record"}"#);
            // SAFETY: as CUDA demands.
            unsafe { give(made, add("cudaGraphExec_t", work)) }
        }
        None => known(false, "cudaGraphInstantiateWithFlags"),
    }
}

#[unsafe(no_mangle)]
extern "C" fn cudaGraphLaunch(made: *mut c_void, stream: *mut c_void) -> c_int {
    let work = with(|graphs| graphs.known.get(&(made as usize)).map(|(_, work)| work.clone()));
    let Some(work) = work else {
        return known(false, "cudaGraphLaunch");
    };
    for task in work {
        if let Err(text) = super::push(stream as usize, move || task()) {
            return wrong(INVALID_VALUE, &format!("cudaGraphLaunch: {text}"));
        }
    }
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cudaGraphDestroy(graph: *mut c_void) -> c_int {
    remove(graph, "cudaGraphDestroy")
}

#[unsafe(no_mangle)]
extern "C" fn cudaGraphExecDestroy(made: *mut c_void) -> c_int {
    remove(made, "cudaGraphExecDestroy")
}
