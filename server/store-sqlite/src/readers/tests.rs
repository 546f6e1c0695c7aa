//! Readers with callers or reads that misbehave.

use super::*;
use futures::FutureExt;
use std::sync::mpsc::{Sender, channel};

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(60);

fn readers(count: usize, limits: Limits) -> (Readers, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let path = data.path().join("db");
    let open = move || Ok(Connection::open(&path)?);
    let connections = (0..count).map(|_| open().unwrap()).collect();
    (Readers::start(connections, limits, open).unwrap(), data)
}

async fn one(readers: &Readers) -> vultus_store::Result<u32> {
    readers.read("reading one", |c| Ok(c.query_row("SELECT 1", (), |row| row.get(0))?)).await
}

/// A read that holds its reader until the sender is dropped.
fn held() -> (Sender<()>, impl FnOnce(&Connection) -> Answer<()> + Send + 'static) {
    let (release, held) = channel::<()>();
    (release, move |_: &Connection| {
        let _ = held.recv();
        Ok(())
    })
}

#[tokio::test]
async fn unpolled_callers_hold_no_reader() {
    let (readers, _data) = readers(1, Limits { wait: LONG, longest: LONG });
    let mut unpolled: Vec<_> = (0..50).map(|_| Box::pin(one(&readers))).collect();
    for caller in &mut unpolled {
        let _ = caller.as_mut().now_or_never();
    }
    assert_eq!(one(&readers).await.unwrap(), 1);
}

#[tokio::test]
async fn panic_in_a_read_costs_no_reader() {
    let (readers, _data) = readers(1, Limits { wait: LONG, longest: LONG });
    for _ in 0..3 {
        let panics = readers.read("panicking", |_| -> Answer<()> { panic!("on purpose") });
        assert!(matches!(panics.await, Err(StoreError::Internal { .. })));
    }
    assert_eq!(one(&readers).await.unwrap(), 1);
}

#[tokio::test]
async fn read_without_a_free_reader_is_unavailable() {
    let (readers, _data) = readers(1, Limits { wait: SHORT, longest: LONG });
    let (release, work) = held();
    let holding = readers.read("holding", work);
    let refused = one(&readers);
    let ((), refused) = tokio::join!(holding.map(|held| held.unwrap()), async {
        let refused = refused.await;
        drop(release);
        refused
    });
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn read_that_takes_too_long_is_interrupted() {
    let (readers, _data) = readers(1, Limits { wait: SHORT, longest: SHORT });
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) \
                   SELECT count(*) FROM n";
    let read = readers.read("counting without end", move |c| {
        Ok(c.query_row(endless, (), |row| row.get::<_, u64>(0))?)
    });
    let interrupted = read.await;
    assert!(matches!(interrupted, Err(StoreError::Unavailable(_))), "{interrupted:?}");
    assert_eq!(one(&readers).await.unwrap(), 1);
}

#[tokio::test]
async fn stuck_reader_is_replaced() {
    let (readers, _data) = readers(1, Limits { wait: LONG, longest: SHORT });
    let (release, work) = held();
    let mut stuck = Box::pin(readers.read("being stuck", work));
    assert!(stuck.as_mut().now_or_never().is_none());
    assert_eq!(one(&readers).await.unwrap(), 1);
    drop(release);
    // The replaced reader ends after its read.
    let deadline = Instant::now() + LONG;
    assert!(readers.0.wait_until(deadline, |state| state.readers == 1).await);
    assert_eq!(one(&readers).await.unwrap(), 1);
}

#[tokio::test]
async fn closed_readers_finish_their_queue_and_reject_more() {
    let (readers, _data) = readers(1, Limits { wait: LONG, longest: LONG });
    let mut queued = Box::pin(one(&readers));
    let _ = queued.as_mut().now_or_never();
    readers.close().await;
    assert_eq!(queued.await.unwrap(), 1);
    assert!(matches!(one(&readers).await, Err(StoreError::Unavailable(_))));
}
