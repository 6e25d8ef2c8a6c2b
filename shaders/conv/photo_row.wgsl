// A row of an image of fewer than four channels, which rows of pixels hold as they come: a kernel's row meets ROW elements that follow each
// other, and the image's row is read four elements at a time, whatever pixels they belong to. Rows are whole vectors, and steps of P pixels
// a whole number of vectors apart: what is outside of a row is so by whole vectors. Dilation is 1. From the prelude: CI, and SKIPPED, how
// many elements of a step's first vector come before its first column.
const ROW: u32 = KW * CI;
const VECTORS: u32 = (SKIPPED + (P - 1u) * S * CI + ROW + 3u) / 4u;

// What P pixels meet of a row.
var<private> vectors: array<vec4<f32>, VECTORS>;

fn load_vectors(first: u32, end: u32, inside: bool, base: i32, start: i32) {
    let count = i32(params.w * CI / 4u);
    for (var v = first; v < min(end, VECTORS); v++) {
        let at = start + i32(v);
        let ok = inside && at >= 0 && at < count;
        vectors[v] = select(vec4(0.0), a4(select(0u, 4u * u32(base + at), ok)), ok);
    }
}

// Loads what the pixels from `ox` on of row `oy` of the result meet through row `ky` of the kernel.
fn load_row(image: u32, oy: u32, ky: u32, ox: u32) {
    let iy = i32(oy * S + ky) - i32(params.pad_y);
    let inside = iy >= 0 && iy < i32(params.h);
    let base = (i32(image * params.h) + iy) * i32(params.w * CI / 4u);
    // Exact, by what SKIPPED is.
    let start = ((i32(ox * S) - i32(params.pad_x)) * i32(CI) - i32(SKIPPED)) / 4;
    load_vectors(0u, 8u, inside, base, start);
    load_vectors(8u, 16u, inside, base, start);
    if (VECTORS > 16u) {
        load_vectors(16u, VECTORS, inside, base, start);
    }
}

// Element `i` of the kernel's row as pixel `p` meets it.
fn element(p: u32, i: u32) -> f32 {
    let at = SKIPPED + p * S * CI + i;
    return vectors[at / 4u][at % 4u];
}
