//! The generated ONNX messages match `onnx.proto`.
//!
//! `UPDATE_EXPECT=1 cargo test -p vultus-models --test messages` writes them again.

use expect_test::expect_file;

#[test]
fn generated_messages_match_onnx_proto() {
    let messages = protox::compile(["onnx.proto"], [env!("CARGO_MANIFEST_DIR")]).unwrap();
    let out_dir = tempfile::tempdir().unwrap();
    prost_build::Config::new().out_dir(out_dir.path()).compile_fds(messages).unwrap();
    let generated = std::fs::read_to_string(out_dir.path().join("onnx.rs")).unwrap();
    expect_file!["../src/onnx/messages.rs"].assert_eq(&generated);
}
