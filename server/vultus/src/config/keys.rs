//! The table of all configuration keys: name, kind, default, meaning. The documentation file is
//! written from it.

use std::fmt::Write;

/// What values a key takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Any text.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole number between these, inclusive.
    Integer(i64, i64),
    /// A number between these, inclusive.
    Number(f64, f64),
}

/// One key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    /// Dotted path: `tokens.access_seconds`.
    pub(super) path: &'static str,
    /// What it takes.
    pub(super) kind: Kind,
    /// Default, as TOML; absent: unset.
    pub(super) default: Option<&'static str>,
    /// What it means, with the unit. Lines end where the example file's lines end.
    pub(super) meaning: &'static str,
}

impl Key {
    /// The environment variable that sets it: `VULTUS_TOKENS_ACCESS_SECONDS`.
    pub(super) fn variable(&self) -> String {
        format!("VULTUS_{}", self.path.replace('.', "_").to_uppercase())
    }
}

const fn key(
    path: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    meaning: &'static str,
) -> Key {
    Key { path, kind, default, meaning }
}

use Kind::{Choice, Integer, Number, Text};

const MEBI: i64 = 1 << 20;
const TEBI: i64 = 1 << 40;

/// All keys, in the order of the example file: top-level ones first, then section by section.
pub(super) const KEYS: &[Key] = &[
    key(
        "data_dir",
        Text,
        Some(r#""./data""#),
        "Folder with the database, the media and the secret keys. One node at a time uses it.",
    ),
    key(
        "listen",
        Text,
        Some(r#""127.0.0.1:8080""#),
        "Address and port to listen on. Port 0 takes any free one.",
    ),
    key(
        "mode",
        Choice(&["development", "production"]),
        Some(r#""development""#),
        "In production GraphiQL, introspection and suggestions are off.",
    ),
    key(
        "public_url",
        Text,
        None,
        "The address that clients use, where it differs from `listen`: it begins the links to media.\nExample: \"https://vultus.example.org\"",
    ),
    key(
        "allowed_origins",
        Text,
        Some(r#""""#),
        "Origins of other pages that may open websockets, separated by commas.\nExample: \"https://console.example.org, https://kiosk.example.org\"",
    ),
    key(
        "plugins_dir",
        Text,
        None,
        "Folder with analyzers of third parties (.so files). The server's own are found beside the executable. In production\nits lock file plugins.lock must name what may be used; `vultus plugin lock` writes it.",
    ),
    key(
        "models_dir",
        Text,
        None,
        "Folder with the neural models (weights/ and runtime/). Unset: models or ../share/vultus/models\nbeside the executable, then the models of the source tree it was built in, then ./models.",
    ),
    key(
        "onnxruntime",
        Text,
        None,
        "The ONNX Runtime library. Unset: runtime/libonnxruntime.so in the folder with the models.",
    ),
    key(
        "keys_dir",
        Text,
        None,
        "Folder with the secret keys. Unset: keys in data_dir. All nodes of a cluster share it, or have copies.",
    ),
    key(
        "plugins.watch_seconds",
        Integer(0, 3600),
        Some("2"),
        "How often plugins_dir is looked at for new, replaced and removed analyzers, in seconds. 0: only at the start, and when the\nserver gets SIGHUP.",
    ),
    key(
        "store.url",
        Text,
        Some(r#""sqlite""#),
        "The store. \"sqlite\" is the file vultus.db in data_dir. The nodes of a cluster share a MongoDB replica set (6.0 or newer):\n\"mongodb://USER:PASSWORD@HOST1,HOST2,HOST3/vultus?replicaSet=rs0\", with &tls=true for TLS; also \"mongodb+srv://…\".",
    ),
    key(
        "blobs.url",
        Text,
        Some(r#""file""#),
        "Where media lie, encrypted: \"file\" is the folder blobs in data_dir; \"gridfs\" is the store's MongoDB database;\n\"s3://BUCKET/PREFIX?region=…\" is a bucket of an S3-compatible storage, with &endpoint=https://… where it is not\nAmazon's, and &access_key_id=… . The secret key is in the variable VULTUS_S3_SECRET_KEY, and in no file. Without a\nkey the role of the machine is used.",
    ),
    key(
        "blobs.master_key_file",
        Text,
        None,
        "File with the key that all other keys of media are wrapped under: 32 bytes, or 64 hexadecimal digits, readable by\nits owner alone. Unset: master.key in keys_dir, made at the first start. The variable VULTUS_MASTER_KEY (64\nhexadecimal digits) wins over both. Without this key no media can be read: keep a copy elsewhere.",
    ),
    key(
        "blobs.memory_bytes",
        Integer(MEBI, TEBI),
        Some("536870912"),
        "Memory for decrypted media that workers read, in bytes: this much for uploads, and this much for analyses.",
    ),
    key(
        "log.format",
        Choice(&["text", "json"]),
        Some(r#""text""#),
        "How logs are written to standard error.",
    ),
    key(
        "log.level",
        Text,
        Some(r#""info""#),
        "What is logged: error, warn, info, debug, trace, or per part, such as \"info,vultus::dispatch=debug\".",
    ),
    key(
        "admin.email",
        Text,
        Some(r#""admin@localhost""#),
        "Login name of the first administrator, who is made when there are no users; the password is printed once.",
    ),
    key(
        "tokens.access_seconds",
        Integer(5, 86_400),
        Some("900"),
        "Life of an access token, in seconds.",
    ),
    key(
        "tokens.refresh_seconds",
        Integer(60, 31_536_000),
        Some("2592000"),
        "Life of a refresh token, in seconds. Each use gives a new one.",
    ),
    key(
        "passwords.concurrency",
        Integer(1, 64),
        Some("2"),
        "Password checks at the same time; each takes 19 MiB and one processor.",
    ),
    key("limits.media_per_request", Integer(1, 256), Some("16"), "Most media in one request."),
    key("limits.analyses_per_request", Integer(1, 64), Some("16"), "Most analyses in one request."),
    key("limits.media_per_folder", Integer(1, 10_000), Some("200"), "Most media in one folder."),
    key(
        "limits.metadata_bytes",
        Integer(2, MEBI),
        Some("65536"),
        "Largest metadata of a folder or a medium, in bytes of JSON.",
    ),
    key(
        "limits.uploads",
        Integer(1, 10_000),
        Some("64"),
        "Files that are received at the same time; more are told to try again.",
    ),
    key(
        "limits.wait_ms",
        Integer(0, 30_000),
        Some("30000"),
        "Longest time that a request waits for its verdicts, in milliseconds.",
    ),
    key(
        "limits.request.body_bytes",
        Integer(1024, 256 * MEBI),
        Some("1048576"),
        "Largest JSON body, `operations` of a multipart body and message of a websocket, in bytes.",
    ),
    key("limits.request.batch", Integer(1, 1000), Some("10"), "Most requests in one batch."),
    key(
        "limits.request.json_values",
        Integer(100, 100_000_000),
        Some("100000"),
        "Most JSON values in one body, nested ones included; names of fields count, too.",
    ),
    key("limits.query.tokens", Integer(10, 1_000_000), Some("15000"), "Most tokens of a document."),
    key(
        "limits.query.name_bytes",
        Integer(16, 65_536),
        Some("256"),
        "Longest name in a document, in bytes.",
    ),
    key(
        "limits.query.nesting",
        Integer(5, 200),
        Some("50"),
        "Deepest nesting of brackets of any kind.",
    ),
    key(
        "limits.query.operations",
        Integer(1, 1000),
        Some("10"),
        "Most operations in one document.",
    ),
    key(
        "limits.query.fragments",
        Integer(0, 10_000),
        Some("100"),
        "Most fragments in one document.",
    ),
    key(
        "limits.query.variables",
        Integer(0, 10_000),
        Some("100"),
        "Most variable definitions in one document.",
    ),
    key(
        "limits.query.directives",
        Integer(0, 100_000),
        Some("200"),
        "Most directives in one document.",
    ),
    key(
        "limits.query.directives_per_place",
        Integer(0, 1000),
        Some("5"),
        "Most directives at one place of a document.",
    ),
    key(
        "limits.query.literals",
        Integer(0, 1_000_000),
        Some("5000"),
        "Most literal values in one document, nested ones included.",
    ),
    key(
        "limits.query.selections",
        Integer(1, 100_000),
        Some("2000"),
        "Most selections (fields, fragments) of a document, counted at each use of a fragment.",
    ),
    key(
        "limits.query.aliases",
        Integer(0, 10_000),
        Some("30"),
        "Most aliases of a document, counted at each use of a fragment.",
    ),
    key(
        "limits.query.root_fields",
        Integer(1, 10_000),
        Some("20"),
        "Most fields at the root of an operation.",
    ),
    key("limits.query.depth", Integer(1, 100), Some("12"), "Deepest nesting of fields."),
    key(
        "limits.query.introspection_depth",
        Integer(1, 100),
        Some("20"),
        "Deepest nesting inside of introspection, where it is on.",
    ),
    key(
        "limits.query.introspection_values",
        Integer(100, 1_000_000_000),
        Some("1000000"),
        "Most values that introspection may select, estimated from the lists it nests.",
    ),
    key(
        "limits.query.complexity",
        Integer(1, 1_000_000),
        Some("1000"),
        "Highest complexity: a field counts 1, the fields of a page once for each 25 objects begun.",
    ),
    key(
        "limits.query.validation_steps",
        Integer(100, 100_000_000),
        Some("10000"),
        "Most comparisons of fields and variables that validation may make.",
    ),
    key(
        "limits.query.variable_bytes",
        Integer(1024, TEBI),
        Some("33554432"),
        "Most memory for the copies of variables, one for each use of the largest one, in bytes.",
    ),
    key(
        "limits.answer.errors",
        Integer(1, 10_000),
        Some("20"),
        "Errors that an answer keeps; one more says how many are left out.",
    ),
    key(
        "limits.answer.bytes",
        Integer(1024, 1024 * MEBI),
        Some("8388608"),
        "Largest answer, in bytes of JSON: of a request, a whole batch or a websocket's message.",
    ),
    key("limits.media.max_bytes", Integer(1, TEBI), Some("104857600"), "Largest file, in bytes."),
    key(
        "limits.media.max_pixels",
        Integer(1, 1_000_000_000),
        Some("50000000"),
        "Largest picture, in pixels.",
    ),
    key(
        "limits.media.max_jpeg_scans",
        Integer(1, 1000),
        Some("32"),
        "Most scans of a progressive JPEG.",
    ),
    key(
        "limits.media.max_frames_stored",
        Integer(1, 24),
        Some("24"),
        "Most frames kept per medium.",
    ),
    key(
        "limits.media.max_seconds",
        Number(0.1, 36_000.0),
        Some("120.0"),
        "Longest video, in seconds.",
    ),
    key(
        "limits.media.max_video_side",
        Integer(16, 16_384),
        Some("4096"),
        "Longest side of a video, in pixels.",
    ),
    key(
        "limits.media.max_frame_rate",
        Number(1.0, 100_000.0),
        Some("240.0"),
        "Highest mean frame rate of a video, in frames per second.",
    ),
    key(
        "limits.media.max_video_pixels",
        Integer(1, TEBI),
        Some("8000000000"),
        "Most pixels that decoding the sampled frames of a video may touch; about 3 s per thousand million for H.264.",
    ),
    key(
        "limits.media.max_zip_entries",
        Integer(1, 100_000),
        Some("200"),
        "Most entries of a shot set's ZIP.",
    ),
    key(
        "limits.media.max_inflated_bytes",
        Integer(1, TEBI),
        Some("268435456"),
        "Most bytes of all entries of a ZIP after inflation.",
    ),
    key(
        "limits.media.max_ratio",
        Integer(1, 100_000),
        Some("100"),
        "Highest ratio of inflated to compressed size of one ZIP entry.",
    ),
    key(
        "limits.media.max_set_pixels",
        Integer(1, TEBI),
        Some("150000000"),
        "Most pixels of all pictures of a shot set together.",
    ),
    key(
        "limits.media.max_stored_side",
        Integer(64, 16_384),
        Some("4096"),
        "Longest side of a kept frame, in pixels; larger ones are scaled down.",
    ),
    key(
        "limits.media.frame_bytes",
        Integer(MEBI, TEBI),
        Some("100663296"),
        "Budget of decoded frames kept per medium, in bytes; frames are scaled down to fit.",
    ),
    key(
        "workers.count",
        Integer(0, 1024),
        Some("0"),
        "Worker processes that judge. 0: one per processor.",
    ),
    key(
        "workers.probe_count",
        Integer(0, 256),
        Some("0"),
        "Worker processes that examine uploads. 0: one per four processors, at least two.",
    ),
    key("workers.threads", Integer(1, 64), Some("1"), "Threads of one inference."),
    key(
        "workers.memory_bytes",
        Integer(512 * MEBI, TEBI),
        Some("4294967296"),
        "Most address space of one worker, in bytes.",
    ),
    key(
        "workers.cpu_seconds",
        Integer(1, 3600),
        Some("120"),
        "Processor time that one run may use, in seconds.",
    ),
    key(
        "workers.removed_seconds",
        Integer(1, 604_800),
        Some("900"),
        "Analyses that wait for a plugin which is not there any more fail after this time, in seconds.",
    ),
    key(
        "workers.sandbox",
        Choice(&["required", "best_effort"]),
        Some(r#""best_effort""#),
        "Where the kernel does not offer all of the workers' sandbox (namespaces, Landlock, seccomp): with required the\nserver does not start; with best_effort it starts and says what is missing, in its log and in `serverInfo`.",
    ),
    key(
        "workers.decoder",
        Choice(&["exact", "fast"]),
        Some(r#""exact""#),
        "Video decoding: exact, or fast (leaves out the deblocking filter; scores change a little).",
    ),
    key(
        "check.concurrent",
        Integer(1, 1024),
        Some("8"),
        "Instant checks at the same time; more are told to try again.",
    ),
    key(
        "check.memory_bytes",
        Integer(MEBI, TEBI),
        Some("268435456"),
        "Memory for the media of all instant checks together, in bytes.",
    ),
    key(
        "sweeper.interval_seconds",
        Integer(1, 86_400),
        Some("60"),
        "How often media files that nothing references are looked for, in seconds; they are deleted once 10 minutes old.",
    ),
    key(
        "shutdown.drain_seconds",
        Integer(0, 300),
        Some("30"),
        "How long running analyses may go on after the signal to stop, in seconds.",
    ),
];

const HEADER: &str = "\
# Configuration of Vultus: every key with its default. Keys that are commented out have none.
# `vultus serve --config FILE` reads a file like this one; the environment wins over the file: the variable of a key is
# VULTUS_ and its path, such as VULTUS_LISTEN or VULTUS_TOKENS_ACCESS_SECONDS. Unknown keys are refused.
";

const FOOTER: &str = "
# -- analyzers -------------------------------------------------------------------------------------------------------
# One section per analyzer, such as [analyzers.liveness].
#   params    the company's policy for the analysis type of this name: it replaces the defaults of the analyzer. Where the
#             analyzer says which direction is stricter, a request may only be stricter than this.
#   settings  handed to the analyzer whose file has this name (libvultus_liveness.so: liveness) when it starts.
# The environment takes the same as inline tables: VULTUS_ANALYZERS_LIVENESS_PARAMS='{ acceptBelow = 0.4 }'
#
# [analyzers.liveness]
# params = { acceptBelow = 0.4, declineFrom = 0.6 }
#
# [analyzers.face_template]
# settings = { model = \"fr_feature\" }
";

/// The example file.
pub fn example() -> String {
    let mut text = HEADER.to_owned();
    let mut section = "";
    for key in KEYS {
        let (this_section, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
        if this_section != section {
            section = this_section;
            let _infallible = write!(text, "\n[{section}]\n");
        } else if section.is_empty() {
            text.push('\n');
        }
        for line in key.meaning.lines() {
            let _infallible = writeln!(text, "# {line}");
        }
        if let Choice(words) = key.kind {
            let _infallible = writeln!(text, "# One of: {}", words.join(", "));
        }
        let _infallible = match key.default {
            Some(default) => writeln!(text, "{name} = {default}"),
            None => writeln!(text, "# {name} = \"\""),
        };
    }
    text.push_str(FOOTER);
    text
}
