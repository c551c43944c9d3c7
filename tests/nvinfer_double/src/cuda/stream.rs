//! Streams with a thread each, and events. Work begins after the call that gives it has returned, as on a device.

use std::collections::HashMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::life;

type Task = Box<dyn FnOnce() -> Result<(), i32> + Send>;
/// Work that can be recorded and done again.
pub type Repeatable = Arc<dyn Fn() -> Result<(), i32> + Send + Sync>;

/// A point that work reaches, and how that work went.
pub struct Mark {
    reached: Mutex<Option<Result<(), i32>>>,
    changed: Condvar,
}

impl Mark {
    fn new() -> Arc<Mark> {
        Arc::new(Mark {
            reached: Mutex::new(None),
            changed: Condvar::new(),
        })
    }

    fn reach(&self, how: Result<(), i32>) {
        *lock(&self.reached) = Some(how);
        self.changed.notify_all();
    }

    /// How the work before it went, once it was reached.
    pub fn reached(&self) -> Option<Result<(), i32>> {
        *lock(&self.reached)
    }

    pub fn wait(&self) -> Result<(), i32> {
        let mut reached = lock(&self.reached);
        loop {
            match *reached {
                Some(how) => return how,
                None => {
                    let waited = self.changed.wait(reached);
                    reached = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

enum Order {
    Task(Task),
    Mark(Arc<Mark>),
    /// What follows begins after this mark of another stream.
    Wait(Arc<Mark>),
}

struct Stream {
    orders: Sender<Order>,
    /// What it records instead of doing it.
    recorded: Option<Vec<Repeatable>>,
    life: u64,
}

#[derive(Default)]
struct Handles {
    last: usize,
    streams: HashMap<usize, Stream>,
    /// An event with what it marks, once it was recorded.
    events: HashMap<usize, (u64, Option<Arc<Mark>>)>,
}

static HANDLES: Mutex<Option<Handles>> = Mutex::new(None);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn with<T>(use_them: impl FnOnce(&mut Handles) -> T) -> T {
    use_them(lock(&HANDLES).get_or_insert_default())
}

pub fn create_stream() -> usize {
    let (orders, inbox) = channel::<Order>();
    let work = move || {
        // An error stays with its stream.
        let mut state = Ok(());
        for order in inbox {
            match order {
                Order::Task(task) => state = state.and_then(|()| task()),
                Order::Mark(mark) => mark.reach(state),
                Order::Wait(mark) => drop(mark.wait()),
            }
        }
    };
    std::thread::Builder::new()
        .name("stream".into())
        .spawn(work)
        .expect("a thread can be started");
    with(|handles| {
        handles.last += 16;
        let life = life::born("cudaStream_t", 0);
        let stream = Stream {
            orders,
            recorded: None,
            life,
        };
        handles.streams.insert(handles.last, stream);
        handles.last
    })
}

/// What was given to it goes on.
pub fn destroy_stream(stream: usize) -> bool {
    let gone = with(|handles| handles.streams.remove(&stream));
    gone.map(|stream| life::died(stream.life)).is_some()
}

/// Gives a stream work. `false` when there is no such stream.
pub fn push(stream: usize, task: Task) -> bool {
    with(|handles| {
        let stream = handles.streams.get(&stream);
        let stream = stream.filter(|stream| stream.recorded.is_none());
        stream.is_some_and(|s| s.orders.send(Order::Task(task)).is_ok())
    })
}

/// From here on it records. `false` when there is no such stream, or it does so already.
pub fn begin_recording(stream: usize) -> bool {
    with(|handles| {
        let stream = handles.streams.get_mut(&stream);
        let idle = stream.filter(|stream| stream.recorded.is_none());
        idle.map(|stream| stream.recorded = Some(Vec::new())).is_some()
    })
}

/// What was recorded; `None` when it did not.
pub fn end_recording(stream: usize) -> Option<Vec<Repeatable>> {
    with(|handles| handles.streams.get_mut(&stream)?.recorded.take())
}

/// Whether the stream records.
pub fn records(stream: usize) -> bool {
    with(|handles| {
        let stream = handles.streams.get(&stream);
        stream.is_some_and(|stream| stream.recorded.is_some())
    })
}

/// Adds to what the stream records. `false` when it does not.
pub fn record_work(stream: usize, task: Repeatable) -> bool {
    with(|handles| {
        let stream = handles.streams.get_mut(&stream);
        let recorded = stream.and_then(|stream| stream.recorded.as_mut());
        recorded.map(|recorded| recorded.push(task)).is_some()
    })
}

/// What the stream is given from here on begins after `mark`. `false` when there is no such stream.
pub fn wait_for(stream: usize, mark: Option<Arc<Mark>>) -> bool {
    with(|handles| match (handles.streams.get(&stream), mark) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(stream), Some(mark)) => stream.orders.send(Order::Wait(mark)).is_ok(),
    })
}

pub fn create_event() -> usize {
    with(|handles| {
        handles.last += 16;
        let life = life::born("cudaEvent_t", 0);
        handles.events.insert(handles.last, (life, None));
        handles.last
    })
}

pub fn destroy_event(event: usize) -> bool {
    let gone = with(|handles| handles.events.remove(&event));
    gone.map(|(life, _)| life::died(life)).is_some()
}

/// Marks the end of what a stream was given so far. `false` when there is no such event or stream.
pub fn record(event: usize, stream: usize) -> bool {
    let mark = Mark::new();
    with(|handles| {
        let (Some(event), Some(stream)) = (handles.events.get_mut(&event), handles.streams.get(&stream))
        else {
            return false;
        };
        event.1 = Some(mark.clone());
        stream.orders.send(Order::Mark(mark)).is_ok()
    })
}

/// What an event marks; `None` when there is no such event, an empty mark when it was never recorded.
pub fn marked(event: usize) -> Option<Option<Arc<Mark>>> {
    with(|handles| handles.events.get(&event).map(|(_, mark)| mark.clone()))
}

/// Waits for all streams, as freeing memory does.
pub fn settle() {
    let marks: Vec<Arc<Mark>> = with(|handles| {
        let streams = handles.streams.values();
        let marks = streams.map(|stream| {
            let mark = Mark::new();
            let sent = stream.orders.send(Order::Mark(mark.clone())).is_ok();
            if !sent {
                mark.reach(Ok(()));
            }
            mark
        });
        marks.collect()
    });
    for mark in marks {
        // Only that it has ended counts here.
        let _ = mark.wait();
    }
}
