//! Extended attributes of files: xattr(7).

#![allow(unsafe_code, reason = "getxattr, which nix has not")]

use std::path::Path;

/// The value of an attribute, up to 64 bytes; `None` if the file has none such, or it may not be
/// read.
pub fn get(file: &Path, name: &str) -> Option<Vec<u8>> {
    #[cfg(target_os = "linux")]
    {
        use nix::libc;
        use std::ffi::CString;
        use std::os::unix::ffi::OsStrExt;
        let file = CString::new(file.as_os_str().as_bytes()).ok()?;
        let name = CString::new(name).ok()?;
        let mut value = vec![0_u8; 64];
        // SAFETY: two strings that end in NUL, and a buffer with its length
        let length = unsafe { libc::getxattr(file.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), value.len()) };
        value.truncate(usize::try_from(length).ok()?);
        Some(value)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (file, name);
        None
    }
}
