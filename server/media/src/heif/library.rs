//! A safe wrapper of the few functions of libheif that decode a picture. The only user of
//! `libheif-sys`.

use crate::colour::Colour;
use crate::refusal::Refusal;
use crate::sniff::PictureFormat;
use libheif_sys as sys;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Maximum size of a colour profile, in bytes.
const LARGEST_PROFILE: usize = 4 << 20;

/// An error of libheif, without its text, which may quote the file.
pub(super) struct HeifError {
    code: sys::heif_error_code,
    subcode: sys::heif_suberror_code,
}

impl HeifError {
    fn check(error: sys::heif_error) -> Result<(), Self> {
        if error.code == sys::heif_error_code_heif_error_Ok {
            return Ok(());
        }
        Err(Self { code: error.code, subcode: error.subcode })
    }

    pub(super) fn refusal(&self, format: PictureFormat, step: &'static str) -> Refusal {
        let unsupported = [
            sys::heif_error_code_heif_error_Unsupported_filetype,
            sys::heif_error_code_heif_error_Unsupported_feature,
        ];
        let format = format.name();
        if self.subcode == sys::heif_suberror_code_heif_suberror_End_of_data {
            Refusal::Truncated { format }
        } else if unsupported.contains(&self.code) {
            Refusal::UnsupportedFormat { format: format!("this variant of {format}") }
        } else {
            Refusal::Unreadable { format, step }
        }
    }
}

/// A file, read from memory that outlives it.
pub(super) struct Context<'a> {
    context: NonNull<sys::heif_context>,
    read: bool,
    bytes: PhantomData<&'a [u8]>,
}

impl<'a> Context<'a> {
    pub(super) fn new() -> Option<Self> {
        // SAFETY: allocates; null is checked. Decoding in the calling thread needs no threads of
        // libheif.
        let context = unsafe { NonNull::new(sys::heif_context_alloc())? };
        // SAFETY: the context is alive.
        unsafe { sys::heif_context_set_max_decoding_threads(context.as_ptr(), 0) };
        Some(Self { context, read: false, bytes: PhantomData })
    }

    /// Maximum side of a picture, in pixels.
    pub(super) fn limit_side(&mut self, side: u32) {
        let side = i32::try_from(side).unwrap_or(i32::MAX);
        // SAFETY: the context is alive.
        unsafe { sys::heif_context_set_maximum_image_size_limit(self.context.as_ptr(), side) };
    }

    pub(super) fn read(&mut self, bytes: &'a [u8]) -> Result<(), HeifError> {
        // SAFETY: the context is alive, and the bytes outlive it (lifetime `'a`); there are no
        // reading options.
        let error = unsafe {
            sys::heif_context_read_from_memory_without_copy(
                self.context.as_ptr(),
                bytes.as_ptr().cast(),
                bytes.len(),
                std::ptr::null(),
            )
        };
        self.read = true;
        HeifError::check(error)
    }

    pub(super) fn is_read(&self) -> bool {
        self.read
    }

    pub(super) fn primary(&self) -> Result<Handle, HeifError> {
        let mut handle = std::ptr::null_mut();
        // SAFETY: the context is alive; the handle is written on success.
        let error = unsafe {
            sys::heif_context_get_primary_image_handle(self.context.as_ptr(), &raw mut handle)
        };
        HeifError::check(error)?;
        NonNull::new(handle).map(Handle).ok_or(HeifError {
            code: sys::heif_error_code_heif_error_Invalid_input,
            subcode: sys::heif_suberror_code_heif_suberror_Unspecified,
        })
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        // SAFETY: we own the context. Handles share ownership of what they need (libheif counts
        // references), so the order does not matter.
        unsafe { sys::heif_context_free(self.context.as_ptr()) };
    }
}

/// A picture of a file. Keeps the file's structure alive; its bytes are borrowed by the context,
/// which its user keeps.
pub(super) struct Handle(NonNull<sys::heif_image_handle>);

impl Handle {
    fn side(value: libc::c_int) -> u32 {
        u32::try_from(value).unwrap_or(0)
    }

    /// Width and height after the transformations.
    pub(super) fn size(&self) -> (u32, u32) {
        let handle = self.0.as_ptr();
        // SAFETY: the handle is alive.
        let (width, height) = unsafe {
            (sys::heif_image_handle_get_width(handle), sys::heif_image_handle_get_height(handle))
        };
        (Self::side(width), Self::side(height))
    }

    /// Width and height before the transformations.
    pub(super) fn stored_size(&self) -> (u32, u32) {
        let handle = self.0.as_ptr();
        // SAFETY: the handle is alive.
        let (width, height) = unsafe {
            (
                sys::heif_image_handle_get_ispe_width(handle),
                sys::heif_image_handle_get_ispe_height(handle),
            )
        };
        (Self::side(width), Self::side(height))
    }

    pub(super) fn has_alpha(&self) -> bool {
        // SAFETY: the handle is alive.
        unsafe { sys::heif_image_handle_has_alpha_channel(self.0.as_ptr()) != 0 }
    }

    /// The declared colour: the ICC profile if there is one.
    pub(super) fn colour(&self) -> Colour {
        let handle = self.0.as_ptr();
        // SAFETY: the handle is alive; the profile is copied into a buffer of the size that libheif
        // declares; the coded profile is read and freed at once.
        unsafe {
            let size = sys::heif_image_handle_get_raw_color_profile_size(handle);
            if (1..=LARGEST_PROFILE).contains(&size) {
                let mut profile = vec![0_u8; size];
                let error = sys::heif_image_handle_get_raw_color_profile(
                    handle,
                    profile.as_mut_ptr().cast(),
                );
                if HeifError::check(error).is_ok() {
                    return Colour::Icc(profile);
                }
            }
            let mut coded = std::ptr::null_mut();
            let error = sys::heif_image_handle_get_nclx_color_profile(handle, &raw mut coded);
            if HeifError::check(error).is_err() || coded.is_null() {
                return Colour::Srgb;
            }
            let numbers = ((*coded).color_primaries, (*coded).transfer_characteristics);
            sys::heif_nclx_color_profile_free(coded);
            Colour::Coded {
                primaries: u8::try_from(numbers.0).unwrap_or(0),
                transfer: u8::try_from(numbers.1).unwrap_or(0),
            }
        }
    }

    /// Decodes to 8-bit RGB, or to RGBA if the picture has an alpha channel.
    pub(super) fn decode(&self) -> Result<Image, HeifError> {
        let channels = if self.has_alpha() { 4 } else { 3 };
        let chroma = if channels == 4 {
            sys::heif_chroma_heif_chroma_interleaved_RGBA
        } else {
            sys::heif_chroma_heif_chroma_interleaved_RGB
        };
        let mut image = std::ptr::null_mut();
        // SAFETY: the options are allocated and freed here; null stands for the defaults. The image
        // is written on success.
        let error = unsafe {
            let options = sys::heif_decoding_options_alloc();
            if !options.is_null() {
                (*options).convert_hdr_to_8bit = 1;
            }
            let error = sys::heif_decode_image(
                self.0.as_ptr(),
                &raw mut image,
                sys::heif_colorspace_heif_colorspace_RGB,
                chroma,
                options,
            );
            sys::heif_decoding_options_free(options);
            error
        };
        HeifError::check(error)?;
        NonNull::new(image).map(|image| Image { image, channels }).ok_or(HeifError {
            code: sys::heif_error_code_heif_error_Decoder_plugin_error,
            subcode: sys::heif_suberror_code_heif_suberror_Unspecified,
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: we own the handle.
        unsafe { sys::heif_image_handle_release(self.0.as_ptr()) };
    }
}

/// A decoded picture.
pub(super) struct Image {
    image: NonNull<sys::heif_image>,
    channels: usize,
}

impl Image {
    /// The pixels without padding. `None` if the picture does not have this size or 8-bit samples.
    pub(super) fn packed(&self, width: u32, height: u32) -> Option<Vec<u8>> {
        const CHANNEL: sys::heif_channel = sys::heif_channel_heif_channel_interleaved;
        let image = self.image.as_ptr();
        let mut stride = 0;
        // SAFETY: the image is alive; its plane is checked for null, size and stride before it is
        // read.
        let (plane, size, bits) = unsafe {
            let plane = sys::heif_image_get_plane_readonly(image, CHANNEL, &raw mut stride);
            let size = (
                Handle::side(sys::heif_image_get_width(image, CHANNEL)),
                Handle::side(sys::heif_image_get_height(image, CHANNEL)),
            );
            (plane, size, sys::heif_image_get_bits_per_pixel_range(image, CHANNEL))
        };
        let line = width as usize * self.channels;
        let stride = usize::try_from(stride).ok()?;
        if plane.is_null() || size != (width, height) || bits != 8 || stride < line {
            return None;
        }
        let mut packed = Vec::with_capacity(line * height as usize);
        for y in 0..height as usize {
            // SAFETY: the plane has `height` rows, `stride` bytes apart, of at least `line` bytes.
            packed.extend_from_slice(unsafe {
                std::slice::from_raw_parts(plane.add(y * stride), line)
            });
        }
        Some(packed)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: we own the image.
        unsafe { sys::heif_image_release(self.image.as_ptr()) };
    }
}
