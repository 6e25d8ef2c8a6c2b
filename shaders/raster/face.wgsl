// What setup.wgsl and clip.wgsl leave of a face: twelve words. The first is how many corners it has after clipping (0: it is
// not drawn) and, in bit 8, whether it crosses the near plane; then the columns and the rows of its box, first in the lower
// half and last in the upper; then a word of nothing; then its corners in sub-pixels from the image's centre, x in the lower
// half and y in the upper.
const CROSSES: u32 = 256u;

// The lower and the upper half of a word, both signed.
fn halves(word: u32) -> vec2<i32> {
    return vec2(i32(word << 16u) >> 16u, i32(word) >> 16u);
}

// A face's columns and rows within an image, first and last.
struct PixelBox {
    first: vec2<i32>,
    last: vec2<i32>,
}

// The part of a face's box, `reach` pixels larger on every side, that lies in these rows of the image.
fn box_within(head: vec4<u32>, reach: i32, width: u32, first_row: u32, end_row: u32) -> PixelBox {
    let columns = halves(head.y);
    let rows = halves(head.z);
    return PixelBox(
        vec2(max(columns.x - reach, 0), max(rows.x - reach, i32(first_row))),
        vec2(min(columns.y + reach, i32(width) - 1), min(rows.y + reach, i32(end_row) - 1)),
    );
}

// Two coordinates of 16 bits in a word.
fn packed(at: vec2<i32>) -> u32 {
    return (bitcast<u32>(at.x) & 0xffffu) | (bitcast<u32>(at.y) << 16u);
}

// The columns and the rows of the pixels whose centres lie within a box of sub-pixels from the image's centre.
fn pixel_box(low: vec2<i32>, high: vec2<i32>, width: u32, height: u32, bits: u32) -> vec2<u32> {
    let half = i32(1u << (bits - 1u));
    let corner = vec2(i32(width), i32(height)) * half;
    let first = (low + corner + (half - 1)) >> vec2(bits);
    let last = (high + corner - half) >> vec2(bits);
    return vec2(packed(vec2(first.x, last.x)), packed(vec2(first.y, last.y)));
}

// Whether a face of twice this area is left out where back faces are. Seen from outside corners run counter-clockwise, which
// is negative where y points down.
fn is_turned_away(area: f32, cull: u32) -> bool {
    return cull != 0u && area > 0.0;
}
