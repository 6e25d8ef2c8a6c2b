//! Writing a file so that a crash or a full disk never leaves half of one.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Writes `path` through a temporary file in the same folder that is flushed to the disk and then renamed, so that `path` holds
/// either its old contents or all of the new ones. The temporary file is removed on failure.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let temporary = temporary_beside(path)?;
    let result = write_through(path, &temporary, write);
    if result.is_err() {
        // Best effort: the first error is the one worth telling.
        let _ = fs::remove_file(&temporary);
    }
    result.map_err(|e| Error::file(path, e))
}

/// Fails if [`write_atomically`] could not write `path`: to tell before the work, not after it. Nothing is changed.
pub fn check_writable(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(Error::file(path, io::ErrorKind::IsADirectory.into()));
    }
    let temporary = temporary_beside(path)?;
    File::create(&temporary).and_then(|_| fs::remove_file(&temporary)).map_err(|e| Error::file(path, e))
}

fn write_through(
    path: &Path,
    temporary: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(temporary)?);
    write(&mut file)?;
    file.into_inner().map_err(|e| e.into_error())?.sync_all()?;
    fs::rename(temporary, path)?;
    // The rename itself reaches the disk with the folder; not every system can flush a folder, and none needs to.
    if let Some(folder) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        let _ = File::open(folder).and_then(|f| f.sync_all());
    }
    Ok(())
}

fn temporary_beside(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| Error::invalid("output", "a file name", path.display()))?;
    // Threads that write the same file must not write the same temporary one.
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let mut temporary = name.to_os_string();
    temporary.push(format!(".{}-{}.tmp", std::process::id(), WRITES.fetch_add(1, Ordering::Relaxed)));
    Ok(path.with_file_name(temporary))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder for one test, emptied first.
    pub(crate) fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("knuckle-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_else() {
        let folder = scratch("atomic");
        let path = folder.join("x");
        write_atomically(&path, |f| f.write_all(b"old")).unwrap();
        let error = write_atomically(&path, |f| {
            f.write_all(b"half of the new")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        });
        assert!(matches!(&error, Err(Error::File { path: p, .. }) if p.ends_with('x')), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        write_atomically(&path, |f| f.write_all(b"new")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_in_the_way_and_a_missing_folder_are_typed_errors() {
        let folder = scratch("atomic-folder");
        fs::create_dir(folder.join("x")).unwrap();
        fs::write(folder.join("x/kept"), "kept").unwrap();
        for bad in [folder.join("x"), folder.join("missing/x"), PathBuf::from("/")] {
            assert!(write_atomically(&bad, |f| f.write_all(b"new")).is_err(), "{}", bad.display());
            assert!(
                matches!(check_writable(&bad), Err(Error::File { .. } | Error::Invalid { .. })),
                "{}",
                bad.display()
            );
        }
        fs::write(folder.join("y"), "old").unwrap();
        check_writable(&folder.join("y")).unwrap();
        assert_eq!(fs::read(folder.join("y")).unwrap(), b"old");
        fs::remove_file(folder.join("y")).unwrap();
        check_writable(&folder.join("y")).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
