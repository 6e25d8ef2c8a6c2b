@group(0) @binding(3) var<storage, read_write> y: array<u32>;

const THREE: u32 = 3u;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let i = id.x;
    if i >= params.n {
        return;
    }
    let by = mistake(1u, i, 4u, at[1]);
    var sum = i / by; // fault 1 DivisionByZero by 0 1
    sum += i % mistake(2u, i, 5u, at[1]); // fault 2 DivisionByZero mistake(2u,_i,_5u,_at[1]) 0 1
    let below = i32(i) - 5;
    sum += u32(below / i32(mistake(3u, i, 7u, at[1]))); // fault 3 DivisionByZero i32(mistake(3u,_i,_7u,_at[1])) 0 1
    let least = i32(mistake(4u, i, i, at[8]));
    let minus = i32(at[9]);
    sum += u32(least / minus); // fault 4 DivisionOverflow minus 0 1
    sum += u32(i32(mistake(5u, i, i, at[8])) % minus); // fault 5 DivisionOverflow minus 0 1
    let divisors = vec3(1u, mistake(6u, i, 2u, at[1]), 3u);
    let quotients = vec3(i) / divisors; // fault 6 DivisionByZero divisors 1 3
    sum += quotients.x + quotients.y * quotients.z;
    let pairs = vec2<i32>(below) % i32(mistake(7u, i, 2u, at[1])); // fault 7 DivisionByZero i32(mistake(7u,_i,_2u,_at[1])) 0 2
    sum += u32(pairs.x + pairs.y);
    // Never by zero: not even looked at.
    sum += i / THREE + i % 4u;
    sum /= mistake(8u, i, 1u, 0u); // fault 8 DivisionByZero mistake(8u,_i,_1u,_0u) 0 1
    // Division of floats gives an infinity, which is no fault until it is stored.
    y[i] = sum + select(0u, 1u, 1.0 / (x[i] - x[i]) > 1.0);
}
