// How kernels that reduce groups of elements see a tensor: a unit of memory is one element of each of four groups; so are their statistics.
alias Channels = vec4<f32>;
alias Stat = vec4<f32>;
const PER_UNIT: f32 = 1.0;
fn fold(v: Channels) -> Stat {
    return v;
}
fn fold_max(v: Channels) -> Stat {
    return v;
}
fn one_of(v: Channels) -> Stat {
    return v;
}
