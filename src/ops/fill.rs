//! Memory that begins as the same word everywhere.

use crate::error::Result;
use crate::exec::{BufferRef, Lowering, Shader};
use crate::shader;

const FILL: Shader = shader!("copy/fill.wgsl", with "common/index.wgsl");

/// Emits `word` into all `words` of a buffer, and into what pads it to a whole vec4.
pub(crate) fn fill(lowering: &mut Lowering<'_>, buffer: BufferRef, words: usize, word: u32) -> Result<()> {
    let (lanes, quads) = (lowering.target().lanes(), words.div_ceil(4));
    let dispatch = lowering.dispatch(&FILL).define("WG", lanes).define("WORD", word);
    dispatch.bind("y", buffer).param("quads", quads).threads(quads)
}
