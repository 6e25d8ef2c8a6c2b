// y = M·x for every vector x, M a 3×COLUMNS matrix, row by row: with four columns an affine map, whose last column is added.
// With TRANSPOSED y = Rᵀ·x, R the first three columns. Each matrix serves `vectors` consecutive vectors.
struct Params {
    total: u32,
    vectors: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> matrix: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;

fn row(at: u32) -> vec3<f32> {
    return vec3(matrix[at], matrix[at + 1u], matrix[at + 2u]);
}

@compute @workgroup_size(WG)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = flat_index(id, groups);
    if i >= params.total {
        return;
    }
    let at = 3u * COLUMNS * (i / params.vectors);
    let v = vec3(x[3u * i], x[3u * i + 1u], x[3u * i + 2u]);
    let first = row(at);
    let second = row(at + COLUMNS);
    let third = row(at + 2u * COLUMNS);
    var result = v.x * first + v.y * second + v.z * third;
    if !TRANSPOSED {
        result = vec3(dot(first, v), dot(second, v), dot(third, v));
        if COLUMNS == 4u {
            result += vec3(matrix[at + 3u], matrix[at + 7u], matrix[at + 11u]);
        }
    }
    y[3u * i] = result.x;
    y[3u * i + 1u] = result.y;
    y[3u * i + 2u] = result.z;
}
