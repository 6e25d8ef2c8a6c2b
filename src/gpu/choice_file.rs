//! Where measured choices are kept: a file for each adapter and driver in the user's cache folder, and files to hand on.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::device::AdapterReport;
use crate::cache;
use crate::error::{Error, Result};
use crate::exec::Choices;
use crate::files::write_atomically;

/// The format of both kinds of file. Kernels change from version to version of the library, and their times with them.
const FORMAT: &str = concat!("choices 1 of knuckle ", env!("CARGO_PKG_VERSION"));

/// Choices and where they were measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChoiceFile {
    format: String,
    /// Name, kind, backend and driver of the adapter they were measured on.
    pub adapter: String,
    /// What was measured.
    pub choices: Choices,
}

impl ChoiceFile {
    pub(super) fn new(adapter: &AdapterReport, choices: Choices) -> Self {
        ChoiceFile { format: FORMAT.to_string(), adapter: adapter.to_string(), choices }
    }

    /// Writes them as JSON, for another machine with such an adapter or to ship with an application.
    pub fn export(&self, path: &Path) -> Result<()> {
        let text = self.json()?;
        write_atomically(path, |file| file.write_all(text.as_bytes()))
    }

    /// Reads what [`ChoiceFile::export`] wrote. Fails if it is something else, or of another version.
    pub fn import(path: &Path) -> Result<ChoiceFile> {
        let text = fs::read_to_string(path).map_err(|e| Error::file(path, e))?;
        Self::parse(&text)
            .map_err(|got| Error::invalid(path.display(), format!("a file of measured choices, `{FORMAT}`"), got))
    }

    fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| Error::invalid("measured choices", "numbers", e))
    }

    fn parse(text: &str) -> Result<ChoiceFile, String> {
        /// What can be told of a file before the rest of it.
        #[derive(Deserialize)]
        struct Head {
            format: String,
        }
        let head: Head = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if head.format != FORMAT {
            return Err(format!("`{}`", head.format));
        }
        serde_json::from_str(text).map_err(|e| e.to_string())
    }

    /// Where the choices of an adapter are kept, if there is a folder for that.
    pub(super) fn path(adapter: &AdapterReport) -> Option<PathBuf> {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
        let name: String = adapter.to_string().chars().map(plain).collect();
        let words: Vec<&str> = name.split('-').filter(|word| !word.is_empty()).collect();
        // Names of files may be 255 bytes long.
        let name: String = words.join("-").chars().take(200).collect();
        Some(cache::folder()?.join(format!("choices-{name}.json")))
    }

    /// What is kept at `path` for `adapter`; nothing if the file is missing, damaged, of another version or of another adapter.
    pub(super) fn load(path: &Path, adapter: &AdapterReport) -> Choices {
        let Some(bytes) = cache::read(path, FORMAT) else { return Choices::default() };
        let read = String::from_utf8(bytes).map_err(|e| e.to_string()).and_then(|text| Self::parse(&text));
        match read {
            Ok(file) if file.adapter == adapter.to_string() => file.choices,
            Ok(file) => {
                log::warn!("{} is of {}, not of {adapter}: ignored", path.display(), file.adapter);
                Choices::default()
            }
            Err(e) => {
                log::warn!("{}: {e}: ignored", path.display());
                Choices::default()
            }
        }
    }

    /// Keeps them at `path`.
    pub(super) fn store(&self, path: &Path) -> Result<()> {
        cache::write(path, FORMAT, self.json()?.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::ShapeClass;
    use crate::files::tests::scratch;

    fn adapter(driver: &str) -> AdapterReport {
        AdapterReport {
            index: 0,
            name: "Some GPU (TM)".into(),
            backend: "vulkan".into(),
            kind: "DiscreteGpu".into(),
            driver: driver.into(),
            features: Vec::new(),
        }
    }

    fn choices() -> Choices {
        let mut choices = Choices::default();
        choices.prefer(&ShapeClass::of("product").row("n", 24), "lanes 8x8");
        choices
    }

    #[test]
    fn what_is_kept_is_found_again_for_the_same_adapter_and_driver_alone() {
        let folder = scratch("choices");
        let path = folder.join("below/choices.json");
        assert!(ChoiceFile::load(&path, &adapter("1.0")).is_empty());
        ChoiceFile::new(&adapter("1.0"), choices()).store(&path).unwrap();
        assert_eq!(ChoiceFile::load(&path, &adapter("1.0")), choices());
        assert!(ChoiceFile::load(&path, &adapter("1.1")).is_empty());
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(ChoiceFile::load(&path, &adapter("1.0")).is_empty(), "half written");
        cache::write(&path, "choices 0", b"{}").unwrap();
        assert!(ChoiceFile::load(&path, &adapter("1.0")).is_empty(), "another version");
        cache::write(&path, FORMAT, b"\xff{").unwrap();
        assert!(ChoiceFile::load(&path, &adapter("1.0")).is_empty(), "whole, but not text");
        cache::write(&path, FORMAT, format!("{{\"format\": \"{FORMAT}\"}}").as_bytes()).unwrap();
        assert!(ChoiceFile::load(&path, &adapter("1.0")).is_empty(), "without choices");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn exported_choices_are_readable_and_others_are_refused() {
        let folder = scratch("choices-export");
        let path = folder.join("choices.json");
        let file = ChoiceFile::new(&adapter("1.0"), choices());
        file.export(&path).unwrap();
        assert_eq!(ChoiceFile::import(&path).unwrap(), file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"product n32\"") && text.contains("\"lanes 8x8\": 0.0"), "{text}");
        let older = text.replace(FORMAT, "choices 0 of knuckle 0.0.1");
        for other in [older.as_str(), &text[..text.len() / 2], "{}", "", "[1, 2]", "\u{0}"] {
            fs::write(&path, other).unwrap();
            let error = ChoiceFile::import(&path).expect_err("no such file");
            assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        }
        assert!(matches!(ChoiceFile::import(&folder.join("missing")), Err(Error::File { .. })));
        assert!(matches!(file.export(&folder.join("missing/below")), Err(Error::File { .. })));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn adapters_have_files_of_their_own() {
        let name = |driver: &str| ChoiceFile::path(&adapter(driver)).map(|p| p.display().to_string());
        if let Some(name) = name("1.0") {
            assert!(name.ends_with("choices-some-gpu-tm-discretegpu-vulkan-1-0.json"), "{name}");
        }
        assert!(name("1.0") != name("1.1") || name("1.0").is_none());
    }
}
