//! The Store traits, SQLite, blobs on local files, and the contract suite that every backend passes.
