//! What the driver made of kernels, kept in the user's cache folder from one process to the next, where the backend can give
//! it away. Drivers with a cache of their own, as most on desktops are, gain little by it.

use std::path::{Path, PathBuf};

use crate::cache;
use crate::error::Result;

/// What a driver gives for no pipelines, or if it gives nothing away, is shorter.
const LEAST_BYTES: usize = 1024;

/// A cache that pipelines are made through, and its file.
pub(super) struct PipelineStore {
    pub(super) raw: wgpu::PipelineCache,
    path: PathBuf,
    format: String,
}

impl PipelineStore {
    /// The cache of a device's adapter and driver in `folder`: empty where there is no file of that driver, `None` where the
    /// backend has no such thing.
    pub(super) fn open(device: &wgpu::Device, folder: &Path) -> Option<Self> {
        if !device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            return None;
        }
        let info = device.adapter_info();
        let path = folder.join("pipelines").join(wgpu::util::pipeline_cache_key(&info)?);
        let format = format!("pipelines 1 of {} {}", info.driver, info.driver_info).replace(char::is_control, " ");
        let data = cache::read(&path, &format);
        let descriptor = wgpu::PipelineCacheDescriptor { label: None, data: data.as_deref(), fallback: true };
        // SAFETY: the data is what the same driver, of the same version and on the same adapter, gave to `save`: `cache::read`
        // checks its length and sum and the driver's name and version before it.
        #[allow(unsafe_code)]
        let raw = unsafe { device.create_pipeline_cache(&descriptor) };
        Some(PipelineStore { raw, path, format })
    }

    /// Writes the file anew. Gives whether there was anything to write.
    pub(super) fn save(&self) -> Result<bool> {
        match self.raw.get_data().filter(|data| data.len() >= LEAST_BYTES) {
            Some(data) => cache::write(&self.path, &self.format, &data).map(|()| true),
            None => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::tests::scratch;
    use crate::{Gpu, Recorder};

    #[test]
    fn a_device_works_with_any_file_and_without_one() {
        let gpu = Gpu::new().expect("an adapter");
        let device = &gpu.shared.device;
        let folder = scratch("pipelines");
        let Some(store) = PipelineStore::open(device, &folder) else {
            log::info!("{} has no pipeline cache: only that is tested", gpu.adapter());
            return;
        };
        // Nothing of ours, and then something of ours that no driver wrote.
        for of_ours in [false, true] {
            match of_ours {
                true => cache::write(&store.path, &store.format, &[7; 4096]).unwrap(),
                false => std::fs::write(&store.path, [7; 4096])
                    .or_else(|_| {
                        std::fs::create_dir_all(folder.join("pipelines"))?;
                        std::fs::write(&store.path, [7; 4096])
                    })
                    .unwrap(),
            }
            let opened = gpu.scoped(|| Ok(PipelineStore::open(device, &folder).is_some()));
            assert!(opened.expect("refused data is no error"));
        }
        let written = store.save().expect("a folder that can be written");
        log::info!("{}: {}", gpu.adapter(), if written { "gives its pipelines away" } else { "keeps its pipelines" });
        let r = Recorder::new();
        let y = r.input("x", [3]).exp().unwrap();
        assert_eq!(gpu.compile(&r, [y]).unwrap().run([("x", &[0.0; 3])]).unwrap().f32(0), [1.0; 3]);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
