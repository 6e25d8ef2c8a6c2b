struct Particle {
    mass: f32,
    weights: array<f32, 3>,
}
@group(0) @binding(3) var<storage, read_write> y: array<Particle>;

var<private> kept: array<f32, 4>;
var<workgroup> tile: array<vec2<f32>, 8>;

fn of_pointer(values: ptr<function, array<f32, 4>>, k: u32) -> f32 {
    return (*values)[k]; // fault 8 OutOfRange values 6 4
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = id.x;
    tile[lane] = vec2(f32(i), 1.0);
    workgroupBarrier();
    if i >= params.n {
        return;
    }
    var sum = x[mistake(1u, i, i, at[3])]; // fault 1 OutOfRange x 37 37
    sum += x[select(0i, -1i, FAULT == 2u && i == 3u)]; // fault 2 OutOfRange x -1 37
    if (FAULT == 3u && i == 3u) {
        sum += f32(at[64]); // fault 3 OutOfRange at 64 10
    }
    var table = array<f32, 4>(1.0, 2.0, 3.0, 4.0);
    sum += table[mistake(4u, i, 3u, at[2])]; // fault 4 OutOfRange table 4 4
    table[mistake(5u, i, i % 4u, at[7])] = sum; // fault 5 OutOfRange table 255 4
    kept[mistake(6u, i, 2u, 0xffffffffu)] += sum; // fault 6 OutOfRange kept 4294967295 4
    sum += kept[2] + tile[mistake(7u, i, lane, 8u)].y; // fault 7 OutOfRange tile 8 8
    sum += of_pointer(&table, mistake(8u, i, 1u, 6u));
    var vector = vec3(sum, 1.0, 2.0);
    vector[mistake(9u, i, 2u, 3u)] = 4.0; // fault 9 OutOfRange vector 3 3
    let copied = vector.zyx;
    sum += copied[mistake(10u, i, 0u, 5u)]; // fault 10 OutOfRange copied 5 3
    var matrix = mat2x3<f32>(vector, copied);
    sum += matrix[mistake(11u, i, 1u, 2u)].x; // fault 11 OutOfRange matrix 2 2
    sum += matrix[1][mistake(12u, i, 1u, 3u)]; // fault 12 OutOfRange matrix[1] 3 3
    y[i].mass = sum;
    y[i].weights[mistake(13u, i, i % 3u, 3u)] = 1.0; // fault 13 OutOfRange y[i].weights 3 3
    y[mistake(14u, i, i, 40u)].weights[1] = 2.0; // fault 14 OutOfRange y 40 37
    let several = array<u32, 2>(at[0], at[1]);
    y[i].weights[2] = f32(
        several[ // fault 15 OutOfRange several 2 2
            mistake(15u, i, 1u, 2u)
        ]
    );
}
