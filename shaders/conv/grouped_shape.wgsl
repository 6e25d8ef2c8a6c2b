// What the three passes of a convolution in groups share. Channels are counted in blocks as block_*.wgsl says: x is
// n×h×w×ci, y n×oh×ow×co, the weights kh×KW×(gi·ROWS)×co; of the blocks of x and y, gi and go are a group's.
// From the prelude: WG lanes a workgroup, P pixels a lane; KW the kernel's width, S and D its stride and dilation; SHARED
// if a lane holds all columns that a kernel row's taps need at once; MANY if a group has more than one block.
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
    padding: u32,
    // Rows (image, oy), and how many of them one partial sum of the weight gradient covers.
    rows: u32,
    rows_per_split: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
