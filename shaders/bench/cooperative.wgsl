// Multiply-adds of cooperative matrices and nothing else: CHAINS sums a subgroup that do not wait for each other, eight steps a round. The
// factor is the caller's, so that nothing can be known of the results beforehand; every chain begins with another sum and is written. A
// workgroup has UNITS such pieces of work, which its subgroups share, however many they are. SIZE, Element, Left, Right and Sum are from
// common/cooperative*.
struct Params {
    rounds: u32,
    factor: f32,
}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;

var<workgroup> factors: array<Element, SIZE * SIZE>;
var<workgroup> starts: array<f32, CHAINS * SIZE * SIZE>;

@compute @workgroup_size(WG)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(num_subgroups) subgroups: u32,
) {
    for (var e = lane; e < SIZE * SIZE; e += WG) {
        factors[e] = Element(params.factor * f32(e % 3u));
    }
    for (var e = lane; e < CHAINS * SIZE * SIZE; e += WG) {
        starts[e] = f32(e);
    }
    workgroupBarrier();
    let a = coopLoadT<Left>(&factors[0], SIZE);
    let b = coopLoadT<Right>(&factors[0], SIZE);
    var sums: array<Sum, CHAINS>;
    for (var unit = subgroup; unit < UNITS; unit += subgroups) {
        for (var chain = 0u; chain < CHAINS; chain++) {
            sums[chain] = coopLoadT<Sum>(&starts[chain * SIZE * SIZE], SIZE);
        }
        for (var round = 0u; round < params.rounds; round++) {
            for (var step = 0u; step < 8u; step++) {
                for (var chain = 0u; chain < CHAINS; chain++) {
                    sums[chain] = coopMultiplyAdd(a, b, sums[chain]);
                }
            }
        }
        let first = (group.x * UNITS + unit) * CHAINS;
        for (var chain = 0u; chain < CHAINS; chain++) {
            coopStoreT(sums[chain], &y[(first + chain) * SIZE * SIZE], SIZE);
        }
    }
}
