//! The documentation: every fenced block of README.md and of the pages in `docs/` is run or
//! checked, and the answers that they show are the real ones.
//!
//! | block | what is done with it |
//! | --- | --- |
//! | `sh`, only `make …` | the Makefile has such targets |
//! | `sh`, only `vultus serve` | a server is started so, and stopped |
//! | `sh`, only `vultus serve` with plugins | started in the page's session, which then logs in |
//! | `sh`, else | those of one page are one session of bash, in order, beside a running server |
//! | `graphql` | sent to the server; the answer must have no errors |
//! | `toml` | checked by `vultus config check` |
//! | `json`, `text` | what the block before it must answer |
//! | any, after a paragraph `*Not run by the tests: REASON.*` | listed in `tested-examples.md` |
//!
//! A block of any other kind fails. Links, the table of contents and what two places say alike are
//! checked too.

mod answer;
mod block;
mod facts;
mod links;
mod page;
mod security;
mod session;
mod targets;
