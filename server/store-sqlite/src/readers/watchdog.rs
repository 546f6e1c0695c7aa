//! The watchdog of the readers: logs and interrupts reads that take too long, and replaces readers
//! that do not come back.

use super::{Overdue, Shared, State};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use vultus_store::StoreError;

/// How often the watchdog looks.
const TICK: Duration = Duration::from_millis(250);

impl Shared {
    /// The life of the watchdog.
    pub(super) fn watch(self: &Arc<Self>) {
        let mut state = self.lock();
        while !state.closed {
            let missing = self.look_after(&mut state);
            drop(state);
            for _ in 0..missing {
                self.replace_reader();
            }
            state = self.lock();
            if !state.closed {
                let waited = self.closing.wait_timeout(state, TICK);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// Interrupts the reads that take too long. Returns how many readers must be started.
    fn look_after(&self, state: &mut State) -> usize {
        let longest = self.limits.longest;
        let waiting = state.jobs.len();
        for reading in state.reading.values_mut() {
            let held = reading.since.elapsed();
            let (next, message) = match reading.overdue {
                Overdue::No if held > longest => {
                    // Under the lock: the reader cannot have begun another read.
                    reading.interrupt.interrupt();
                    (Overdue::Interrupted, "a read of the store takes too long: interrupted")
                }
                Overdue::Interrupted if held > 2 * longest => {
                    (Overdue::Replaced, "a reader of the store does not come back: replaced")
                }
                Overdue::No | Overdue::Interrupted | Overdue::Replaced => continue,
            };
            reading.overdue = next;
            let (read, held_seconds) = (reading.context, held.as_secs_f64());
            tracing::error!(read, held_seconds, waiting, "{message}");
        }
        // At most as many again as there are to be: the process must not fill with stuck readers.
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
