//! The watchdog of the readers: logs and interrupts reads that take too long, and replaces readers
//! whose read does not end.

use super::{Overdue, Shared, State};
use std::sync::Arc;
use std::time::Duration;
use vultus_store::StoreError;

/// Interval of its checks.
const TICK: Duration = Duration::from_millis(250);

impl Shared {
    /// The loop of the watchdog.
    pub(super) fn watch(self: &Arc<Self>) {
        let mut state = self.lock();
        while !state.closed {
            let missing = self.check(&mut state);
            drop(state);
            for _ in 0..missing {
                self.replace_reader();
            }
            state = self.lock();
            if !state.closed {
                self.closing.wait_for(&mut state, TICK);
            }
        }
    }

    /// Interrupts reads that take too long. Returns the number of readers to start.
    fn check(&self, state: &mut State) -> usize {
        let longest = self.limits.longest;
        let waiting = state.jobs.len();
        for reading in state.reading.values_mut() {
            let held = reading.since.elapsed();
            let (next, message) = match reading.overdue {
                Overdue::No if held > longest => {
                    // Under the lock, so that the reader cannot have begun another read.
                    reading.interrupt.interrupt();
                    (Overdue::Interrupted, "interrupted a read of the store that takes too long")
                }
                Overdue::Interrupted if held > 2 * longest => {
                    (Overdue::Replaced, "replaced a reader of the store whose read does not end")
                }
                Overdue::No | Overdue::Interrupted | Overdue::Replaced => continue,
            };
            reading.overdue = next;
            let (read, held_seconds) = (reading.context, held.as_secs_f64());
            tracing::error!(read, held_seconds, waiting, "{message}");
        }
        // At most twice the intended number, so that stuck readers cannot fill the process.
        let room = (2 * self.count).saturating_sub(state.readers);
        self.count.saturating_sub(state.useful_readers()).min(room)
    }

    fn replace_reader(self: &Arc<Self>) {
        let started = (self.open)().map_err(|fault| fault.into_store("opening a reader"));
        let started = started.and_then(|connection| {
            self.start_reader(connection).map_err(|source| StoreError::Internal {
                context: "starting a reader".to_owned(),
                source: Box::new(source),
            })
        });
        if let Err(error) = started {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a reader of the store could not be replaced"
            );
        }
    }
}
