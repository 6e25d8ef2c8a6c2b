// What the three passes of a convolution in groups share. Channels are counted in blocks as block_*.wgsl says: x is
// n×h×w×ci, y n×oh×ow×co, the weights kh×kw×(gi·ROWS)×co; of the blocks of x and y, gi and go are a group's.
struct Params {
    total: u32,
    h: u32,
    w: u32,
    ci: u32,
    oh: u32,
    ow: u32,
    co: u32,
    gi: u32,
    go: u32,
    kh: u32,
    kw: u32,
    stride: u32,
    dilation: u32,
    padding: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
