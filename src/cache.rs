//! Files in the user's cache folder: what was measured or compiled once for this machine. Such a file may be missing, half
//! written, of another version or somebody else's; all that is the same as having none.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::files::write_atomically;

/// The folder in which knuckle keeps what it can make again: `KNUCKLE_CACHE` where that is set (to nothing: none), otherwise
/// the place the system has for it (`$XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches` on macOS, `%LOCALAPPDATA%` on
/// Windows), a folder `knuckle` in it. `None` where there is none. The folder need not exist.
pub fn folder() -> Option<PathBuf> {
    folder_in(|name| std::env::var_os(name))
}

fn folder_in(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(own) = variable("KNUCKLE_CACHE") {
        return Some(PathBuf::from(own)).filter(|path| !path.as_os_str().is_empty());
    }
    // The XDG rules say that what is not absolute is to be ignored; it would be another folder in every folder.
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let system = if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        absolute("HOME").map(|home| home.join("Library/Caches"))
    } else {
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))
    };
    system.map(|system| system.join("knuckle"))
}

/// The contents of a file that [`write()`] wrote with the same `format`. `None`, with a line in the log, if it is missing,
/// unreadable, of another format, cut short or damaged.
pub fn read(path: &Path, format: &str) -> Option<Vec<u8>> {
    let fault = match fs::read(path) {
        Ok(bytes) => match contents(&bytes, format) {
            Ok(contents) => return Some(contents.to_vec()),
            Err(fault) => fault.to_string(),
        },
        Err(error) => error.to_string(),
    };
    log::debug!("cache {}: {fault}", path.display());
    None
}

/// Writes `contents` behind a head with `format` (a name and version, without line breaks), length and checksum, whole or not
/// at all; makes the folder where it is missing.
pub fn write(path: &Path, format: &str, contents: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
    }
    write_atomically(path, |file| {
        file.write_all(head(format, contents).as_bytes())?;
        file.write_all(contents)
    })
}

fn head(format: &str, contents: &[u8]) -> String {
    format!("knuckle cache, {format}, {} bytes, {:016x}\n", contents.len(), checksum(contents))
}

fn contents<'b>(bytes: &'b [u8], format: &str) -> Result<&'b [u8], &'static str> {
    let end = bytes.iter().position(|&b| b == b'\n').ok_or("not a file of knuckle's")?;
    let (found, contents) = bytes.split_at(end + 1);
    if found == head(format, contents).as_bytes() {
        return Ok(contents);
    }
    match found.starts_with(format!("knuckle cache, {format}, ").as_bytes()) {
        true => Err("damaged"),
        false => Err("of another kind or version"),
    }
}

/// FNV-1a.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::scratch;

    #[test]
    fn only_whole_files_of_the_same_format_are_read() {
        let folder = scratch("cache");
        let path = folder.join("below/file");
        assert_eq!(read(&path, "thing 1"), None);
        let body = b"first\nsecond\0".as_slice();
        write(&path, "thing 1", body).unwrap();
        assert_eq!(read(&path, "thing 1").as_deref(), Some(body));
        assert_eq!(read(&path, "thing 2"), None);
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read(&path, "thing 1"), None, "cut to {cut} bytes");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            fs::write(&path, damaged).unwrap();
            assert_eq!(read(&path, "thing 1"), None, "byte {at} changed");
        }
        fs::write(&path, [&whole[..], b"more"].concat()).unwrap();
        assert_eq!(read(&path, "thing 1"), None);
        write(&path, "thing 1", b"").unwrap();
        assert_eq!(read(&path, "thing 1").as_deref(), Some(&b""[..]));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_is_a_typed_error() {
        let folder = scratch("cache-file");
        fs::write(folder.join("file"), "").unwrap();
        let error = write(&folder.join("file/below"), "thing 1", b"").expect_err("a file is no folder");
        assert!(matches!(error, Error::File { .. }), "{error:?}");
        assert_eq!(read(&folder, "thing 1"), None);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_folder_is_the_users_choice_then_the_systems() {
        let set = |variables: &'static [(&str, &str)]| {
            folder_in(move |name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
        };
        assert_eq!(set(&[("KNUCKLE_CACHE", "own"), ("XDG_CACHE_HOME", "/x")]), Some("own".into()));
        assert_eq!(set(&[("KNUCKLE_CACHE", ""), ("HOME", "/home/a")]), None);
        assert_eq!(set(&[]), None);
        if cfg!(all(unix, not(target_os = "macos"))) {
            assert_eq!(set(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/home/a")]), Some("/x/knuckle".into()));
            assert_eq!(set(&[("XDG_CACHE_HOME", "x"), ("HOME", "/home/a")]), Some("/home/a/.cache/knuckle".into()));
        }
    }
}
