// The three passes of a convolution, one output element a thread: for shapes too small or odd for the tiled kernels.
// x is N×H×W×Ci, w is KH×KW×Ci×Co, y is N×OH×OW×Co. `const PASS` chooses: 0 y, 1 gx, 2 gw.
struct Params {
    n: u32, h: u32, w: u32, ci: u32,
    kh: u32, kw: u32, co: u32,
    oh: u32, ow: u32,
    stride: u32, padding: u32, dilation: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

fn forward(i: u32) {
    let co = i % p.co;
    let ox = (i / p.co) % p.ow;
    let oy = (i / (p.co * p.ow)) % p.oh;
    let n = i / (p.co * p.ow * p.oh);
    var sum = 0.0;
    for (var ky = 0u; ky < p.kh; ky++) {
        let y = oy * p.stride + ky * p.dilation;
        if y < p.padding || y >= p.h + p.padding { continue; }
        for (var kx = 0u; kx < p.kw; kx++) {
            let x = ox * p.stride + kx * p.dilation;
            if x < p.padding || x >= p.w + p.padding { continue; }
            let at_x = ((n * p.h + y - p.padding) * p.w + x - p.padding) * p.ci;
            let at_w = (ky * p.kw + kx) * p.ci * p.co + co;
            for (var c = 0u; c < p.ci; c++) {
                sum += a[at_x + c] * b[at_w + c * p.co];
            }
        }
    }
    if BIAS { sum += bias[co]; }
    if RELU { sum = max(sum, 0.0); }
    out[i] = sum;
}

fn input_gradient(i: u32) {
    let c = i % p.ci;
    let x = (i / p.ci) % p.w;
    let y = (i / (p.ci * p.w)) % p.h;
    let n = i / (p.ci * p.w * p.h);
    var sum = 0.0;
    for (var ky = 0u; ky < p.kh; ky++) {
        let ty = y + p.padding;
        if ty < ky * p.dilation || (ty - ky * p.dilation) % p.stride != 0u { continue; }
        let oy = (ty - ky * p.dilation) / p.stride;
        if oy >= p.oh { continue; }
        for (var kx = 0u; kx < p.kw; kx++) {
            let tx = x + p.padding;
            if tx < kx * p.dilation || (tx - kx * p.dilation) % p.stride != 0u { continue; }
            let ox = (tx - kx * p.dilation) / p.stride;
            if ox >= p.ow { continue; }
            let at_y = ((n * p.oh + oy) * p.ow + ox) * p.co;
            let at_w = ((ky * p.kw + kx) * p.ci + c) * p.co;
            for (var co = 0u; co < p.co; co++) {
                sum += a[at_y + co] * b[at_w + co];
            }
        }
    }
    out[i] = sum;
}

fn weight_gradient(i: u32) {
    let co = i % p.co;
    let c = (i / p.co) % p.ci;
    let kx = (i / (p.co * p.ci)) % p.kw;
    let ky = i / (p.co * p.ci * p.kw);
    var sum = 0.0;
    for (var n = 0u; n < p.n; n++) {
        for (var oy = 0u; oy < p.oh; oy++) {
            let y = oy * p.stride + ky * p.dilation;
            if y < p.padding || y >= p.h + p.padding { continue; }
            var row = 0.0;
            for (var ox = 0u; ox < p.ow; ox++) {
                let x = ox * p.stride + kx * p.dilation;
                if x < p.padding || x >= p.w + p.padding { continue; }
                let at_x = ((n * p.h + y - p.padding) * p.w + x - p.padding) * p.ci + c;
                row += a[at_x] * b[((n * p.oh + oy) * p.ow + ox) * p.co + co];
            }
            sum += row;
        }
    }
    out[i] = sum;
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    switch PASS {
        case 1u: { if i < p.n * p.h * p.w * p.ci { input_gradient(i); } }
        case 2u: { if i < p.kh * p.kw * p.ci * p.co { weight_gradient(i); } }
        default: { if i < p.n * p.oh * p.ow * p.co { forward(i); } }
    }
}
