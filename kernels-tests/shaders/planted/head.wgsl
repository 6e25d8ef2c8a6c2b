// Before every shader here. `FAULT` from the prelude is the number of the mistake that is made, 0 for none; lines with
// mistakes end in `fault NUMBER KIND VARIABLE INDEX LENGTH`. All happen in invocation 3 alone, or `by any`.
struct Params {
    n: u32,
}
@group(0) @binding(0) var<uniform> params: Params;
// 37 elements: i + 0.5
@group(0) @binding(1) var<storage, read> x: array<f32>;
// 10 elements: 5, 0, 4, 37, 1, 2, 3, 255, the least i32, -1
@group(0) @binding(2) var<storage, read> at: array<u32>;

// What is right, or in invocation 3 of the shader with this mistake what is wrong.
fn mistake(number: u32, id: u32, right: u32, wrong: u32) -> u32 {
    return select(right, wrong, FAULT == number && id == 3u);
}
