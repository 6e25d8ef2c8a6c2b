// gx of max pooling where windows overlap or are padded: each input position gathers gy from the windows whose maximum
// it is. Of equal elements of a window the first, row by row, is the maximum.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    c: u32,
    out_h: u32,
    out_w: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Channels>;
@group(0) @binding(2) var<storage, read> y: array<Channels>;
@group(0) @binding(3) var<storage, read> gy: array<Channels>;
@group(0) @binding(4) var<storage, read_write> gx: array<Channels>;

// The first window along an axis that reaches `at` (counted with padding).
fn first_window(at: u32, kernel: u32, stride: u32) -> u32 {
    return (max(at + 1u, kernel) - kernel + stride - 1u) / stride;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let c = i % params.c;
    let pixel = i / params.c;
    let column = pixel % params.w;
    let rest = pixel / params.w;
    let row = rest % params.h;
    let image = rest / params.h;
    let last_y = min((row + PADDING) / SH, params.out_h - 1u);
    let last_x = min((column + PADDING) / SW, params.out_w - 1u);
    let own = x[i];
    var sum = Channels();
    for (var wy = first_window(row + PADDING, KH, SH); wy <= last_y; wy++) {
        for (var wx = first_window(column + PADDING, KW, SW); wx <= last_x; wx++) {
            let window = ((image * params.out_h + wy) * params.out_w + wx) * params.c + c;
            let highest = y[window];
            var chosen = own == highest;
            // Elements of the window before this one; those in the padding are left out.
            let top = max(wy * SH, PADDING) - PADDING;
            let left = max(wx * SW, PADDING) - PADDING;
            let right = min(wx * SW + KW - PADDING, params.w);
            for (var r = top; r <= row; r++) {
                let end = select(right, column, r == row);
                for (var q = left; q < end; q++) {
                    chosen = chosen & (x[((image * params.h + r) * params.w + q) * params.c + c] != highest);
                }
            }
            sum += select(Channels(), gy[window], chosen);
        }
    }
    gx[i] = sum;
}
