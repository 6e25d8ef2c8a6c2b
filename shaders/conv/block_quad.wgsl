// Four channels of one group at a time: four rows of weights, one for each input channel (conv/grouped_*; see block_one).
alias Channels = vec4<f32>;
const ROWS: u32 = 4u;

fn row_factor(v: vec4<f32>, r: u32) -> f32 {
    return v[r];
}

fn against(g: vec4<f32>, rows: array<Channels, ROWS>) -> vec4<f32> {
    return vec4(dot(g, rows[0]), dot(g, rows[1]), dot(g, rows[2]), dot(g, rows[3]));
}
