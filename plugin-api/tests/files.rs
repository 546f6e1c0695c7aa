//! Pictures from files, with the feature `files`.

use vultus_plugin_api::testing::Picture;

/// Four pixels: red, green over blue, white, as a PNG.
fn write_png(path: &std::path::Path) {
    let pixels = [255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255];
    image::save_buffer(path, &pixels, 2, 2, image::ExtendedColorType::Rgb8)
        .expect("a PNG can be written");
}

/// A grey JPEG of 16 × 8 pixels, dark on the left and bright on the right, whose EXIF orientation
/// is a quarter turn.
fn write_turned_jpeg(path: &std::path::Path) {
    let mut jpeg = Vec::new();
    let picture =
        image::GrayImage::from_fn(16, 8, |x, _| image::Luma([if x < 8 { 20 } else { 230 }]));
    picture
        .write_to(&mut std::io::Cursor::new(&mut jpeg), image::ImageFormat::Jpeg)
        .expect("a JPEG can be made");
    // An APP1 segment with one tag, Orientation = 6: rotate clockwise.
    let tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let mut segment = vec![0xFF, 0xE1, 0, (2 + 6 + tiff.len()) as u8];
    segment.extend_from_slice(b"Exif\0\0");
    segment.extend_from_slice(tiff);
    jpeg.splice(2..2, segment);
    std::fs::write(path, jpeg).expect("a JPEG can be written");
}

#[test]
fn a_file_is_read_upright_with_its_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let (png, jpeg) = (folder.path().join("b.png"), folder.path().join("a.jpg"));
    write_png(&png);
    write_turned_jpeg(&jpeg);
    let picture = Picture::open(&png).unwrap();
    assert_eq!((picture.width, picture.height, &picture.rgb[3..6]), (2, 2, [0, 255, 0].as_slice()));
    let turned = Picture::open(&jpeg).unwrap();
    assert_eq!((turned.width, turned.height), (8, 16));
    assert!(turned.rgb[0] < 60 && turned.rgb[turned.rgb.len() - 1] > 190, "the dark half is above");
    let both = Picture::open_all(folder.path()).unwrap();
    assert_eq!(both.iter().map(|p| (p.width, p.pts_us)).collect::<Vec<_>>(), [(8, 0), (2, 40_000)]);
}

#[test]
fn file_that_is_not_a_picture_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.jpg");
    std::fs::write(&path, b"no picture").unwrap();
    assert!(Picture::open(&path).unwrap_err().to_string().contains("text.jpg"));
    let empty = tempfile::tempdir().unwrap();
    assert!(Picture::open_all(empty.path()).is_err());
}
