// Where a sample of an image lies, by the conventions of PyTorch's grid_sample.
const ZEROS: u32 = 0u;
const BORDER: u32 = 1u;
const REFLECTION: u32 = 2u;

// Neither NaN nor infinite; tested on the bits, which no compiler may assume away.
fn is_finite(value: f32) -> bool {
    return (bitcast<u32>(value) & 0x7f800000u) != 0x7f800000u;
}

// A coordinate along an axis of `extent` pixels as a position in pixels (whole numbers are their centres), and the derivative of
// that by the coordinate. −1 and 1 are the centres of the outermost pixels if aligned, else their outer edges. The position is
// within two pixels of the image whatever the coordinate.
fn position(coordinate: f32, extent: u32, padding: u32, aligned: bool) -> vec2<f32> {
    let n = f32(extent);
    let span = select(n, n - 1.0, aligned);
    // Bounded, so that nothing overflows below; so far out f32 does not tell pixels apart.
    let from_edge = (clamp(coordinate, -1e6, 1e6) + 1.0) * 0.5 * span;
    var at = select(from_edge - 0.5, from_edge, aligned);
    var slope = 0.5 * span;
    if padding == ZEROS {
        return vec2(clamp(at, -2.0, n + 1.0), slope);
    }
    if padding == REFLECTION && span > 0.0 {
        let low = select(-0.5, 0.0, aligned);
        let distance = abs(from_edge);
        let flips = floor(distance / span);
        let extra = distance - flips * span;
        let odd = flips - 2.0 * floor(0.5 * flips) > 0.5;
        at = low + select(extra, span - extra, odd);
        slope *= select(1.0, -1.0, odd != (from_edge < 0.0));
    }
    // The clip itself has no slope.
    if at <= 0.0 {
        return vec2(0.0);
    }
    if at >= n - 1.0 {
        return vec2(n - 1.0, 0.0);
    }
    return vec2(at, slope);
}
