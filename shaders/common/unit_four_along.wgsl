// How kernels that reduce groups of elements see a tensor: a unit of memory is four elements of one group.
alias Channels = vec4<f32>;
alias Stat = f32;
const PER_UNIT: f32 = 4.0;
fn fold(v: Channels) -> Stat {
    return (v.x + v.y) + (v.z + v.w);
}
fn fold_max(v: Channels) -> Stat {
    return max(max(v.x, v.y), max(v.z, v.w));
}
fn one_of(v: Channels) -> Stat {
    return v.x;
}
