//! What a job did to its worker.

/// What happened to the worker in a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerFate {
    /// It can take the next job.
    Lives,
    /// It died in plugin code or for an unknown reason: a crash of the pool.
    Crashed,
    /// It died while decoding a hostile medium. That says nothing about the pool.
    DiedDecoding,
    /// It must be killed because of the job. That says nothing about the pool.
    Spent,
    /// It must be killed because an analysis did not stop at its deadline: a crash of the pool.
    Hung,
}
