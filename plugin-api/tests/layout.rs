//! The layout of ABI v1 is fixed: the sizes and offsets of every struct, in Rust and in the C
//! header, equal the checked-in snapshot.

use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use vultus_plugin_api::abi;
use vultus_plugin_api::{Status, calling};

/// A struct: its name in C, its size, and its fields with their offsets.
struct Layout {
    name: &'static str,
    size: usize,
    fields: Vec<(&'static str, usize)>,
}

macro_rules! layout {
    ($c_name:literal, $rust:ty, $($field:ident),+) => {
        Layout {
            name: $c_name,
            size: size_of::<$rust>(),
            fields: vec![$((stringify!($field), offset_of!($rust, $field))),+],
        }
    };
}

fn layouts() -> Vec<Layout> {
    vec![
        layout!("VultusBytes", abi::Bytes, ptr, len),
        layout!("VultusBuf", abi::Buf, ptr, len, cap, release),
        layout!("VultusPlane", abi::Plane, data, len, stride, reserved0),
        layout!(
            "VultusFrame",
            abi::Frame,
            struct_size,
            medium,
            index,
            format,
            width,
            height,
            source_width,
            source_height,
            pts_us,
            plane_count,
            reserved0,
            planes
        ),
        layout!(
            "VultusMedium",
            abi::Medium,
            index,
            kind,
            slot,
            tags,
            tag_count,
            flags,
            width,
            height,
            duration_us,
            frame_count,
            track_count
        ),
        layout!(
            "VultusJob",
            abi::Job,
            struct_size,
            medium_size,
            ctx,
            analysis,
            params_json,
            media,
            media_count,
            reserved0,
            next_frame,
            rewind,
            feature,
            is_cancelled,
            deadline_us,
            progress,
            log,
            artifact,
            get_extension,
            track_frame,
            reserved
        ),
        layout!(
            "VultusFeatureRequest",
            abi::FeatureRequest,
            struct_size,
            medium,
            frame,
            reserved0,
            feature
        ),
        layout!(
            "VultusHeader",
            abi::Header,
            magic,
            abi_major,
            abi_minor,
            struct_size,
            flags,
            reserved0
        ),
        layout!(
            "VultusPlugin",
            abi::Plugin,
            header,
            manifest_json,
            create,
            destroy,
            analyze,
            provide,
            get_extension,
            reserved
        ),
    ]
}

/// Constants: the C expression and the value in Rust.
fn constants() -> Vec<(&'static str, u64)> {
    vec![
        ("VULTUS_ABI_MAJOR", abi::ABI_MAJOR.into()),
        ("VULTUS_ABI_MINOR", abi::ABI_MINOR.into()),
        ("VULTUS_MAX_RESULT_BYTES", calling::MAX_RESULT_BYTES),
        ("VULTUS_MAX_RESULT_VALUES", vultus_plugin_api::limits::MAX_RESULT_VALUES as u64),
        ("VULTUS_MAX_ARTIFACT_BYTES", calling::MAX_ARTIFACT_BYTES),
        ("VULTUS_MAX_ARTIFACTS", calling::MAX_ARTIFACTS as u64),
        ("VULTUS_MAX_MESSAGE_BYTES", calling::MAX_MESSAGE_BYTES as u64),
        ("VULTUS_OK", abi::STATUS_OK.into()),
        ("VULTUS_INVALID_INPUT", Status::InvalidInput.code().into()),
        ("VULTUS_CANCELLED", Status::Cancelled.code().into()),
        ("VULTUS_DEADLINE_EXCEEDED", Status::DeadlineExceeded.code().into()),
        ("VULTUS_UNAVAILABLE", Status::Unavailable.code().into()),
        ("VULTUS_INTERNAL", Status::Internal.code().into()),
        ("VULTUS_PANIC", Status::Panic.code().into()),
        ("VULTUS_UNSUPPORTED", Status::Unsupported.code().into()),
        ("VULTUS_IMAGE", abi::kind::IMAGE.into()),
        ("VULTUS_VIDEO", abi::kind::VIDEO.into()),
        ("VULTUS_SHOT_SET", abi::kind::SHOT_SET.into()),
        ("VULTUS_MEDIUM_NAMED", abi::MEDIUM_NAMED.into()),
        ("VULTUS_RGB8", abi::format::RGB8.into()),
        ("VULTUS_BGR8", abi::format::BGR8.into()),
        ("VULTUS_GRAY8", abi::format::GRAY8.into()),
        ("VULTUS_NO_FRAME", abi::NO_FRAME.into()),
        ("VULTUS_NO_DURATION", abi::NO_DURATION as u64),
        ("VULTUS_MAX_TRACK_FRAMES", vultus_plugin_api::limits::MAX_TRACK_FRAMES.into()),
        ("VULTUS_MAX_TRACK_SIDE", vultus_plugin_api::limits::MAX_TRACK_SIDE.into()),
        ("VULTUS_MAX_PLANES", abi::MAX_PLANES as u64),
        ("VULTUS_LOG_ERROR", vultus_plugin_api::LogLevel::Error as u64),
        ("VULTUS_LOG_WARN", vultus_plugin_api::LogLevel::Warn as u64),
        ("VULTUS_LOG_INFO", vultus_plugin_api::LogLevel::Info as u64),
        ("VULTUS_LOG_DEBUG", vultus_plugin_api::LogLevel::Debug as u64),
    ]
}

fn rust_layout() -> String {
    let mut text = format!("magic {}\n", String::from_utf8_lossy(&abi::MAGIC));
    for (name, value) in constants() {
        text += &format!("{name} = {value}\n");
    }
    for layout in layouts() {
        text += &format!("{} {}\n", layout.name, layout.size);
        for (field, offset) in layout.fields {
            text += &format!("  {field} @{offset}\n");
        }
    }
    text
}

/// A C program that prints the layout by `sizeof` and `offsetof`.
fn c_program() -> String {
    let mut c = String::from(
        "#include <stddef.h>\n#include <stdio.h>\n#include \"vultus_plugin.h\"\nint main(void) {\n\
         static const uint8_t magic[8] = VULTUS_MAGIC;\n\
         printf(\"magic %.8s\\n\", (const char *)magic);\n",
    );
    for (name, _) in constants() {
        c += &format!("printf(\"{name} = %llu\\n\", (unsigned long long)({name}));\n");
    }
    for Layout { name, fields, .. } in layouts() {
        c += &format!("printf(\"{name} %zu\\n\", sizeof({name}));\n");
        for (field, _) in fields {
            c += &format!("printf(\"  {field} @%zu\\n\", offsetof({name}, {field}));\n");
        }
    }
    c + "return 0; }\n"
}

#[test]
fn rust_layout_equals_the_snapshot() {
    let snapshot = include_str!("snapshots/layout-v1.txt");
    assert_eq!(rust_layout(), snapshot, "ABI v1 is fixed: append to structs, never move a field");
}

#[test]
fn c_header_layout_equals_the_snapshot_in_c11_and_cpp17() {
    let snapshot = include_str!("snapshots/layout-v1.txt");
    let folder = tempfile::tempdir().unwrap();
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let source = folder.path().join("layout.c");
    std::fs::write(&source, c_program()).unwrap();
    for (compiler, language) in [("cc", ["-std=c11", "-xc"]), ("c++", ["-std=c++17", "-xc++"])] {
        let program = folder.path().join(compiler);
        let status = Command::new(compiler)
            .args(language)
            .args(["-pedantic", "-Wall", "-Wextra", "-Werror", "-I"])
            .args([&include, &source])
            .arg("-o")
            .arg(&program)
            .status()
            .unwrap();
        assert!(status.success(), "{compiler} refuses the header");
        let printed = Command::new(&program).output().unwrap();
        assert_eq!(String::from_utf8(printed.stdout).unwrap(), snapshot, "{compiler}");
    }
}
