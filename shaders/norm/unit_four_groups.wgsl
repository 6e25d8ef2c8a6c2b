// How the kernels of groups see a tensor: a unit of memory is four groups of one channel each; so are statistics.
alias Channels = vec4<f32>;
alias Stat = vec4<f32>;
const PER_UNIT: f32 = 1.0;
fn fold(v: Channels) -> Stat {
    return v;
}
fn one_of(v: Channels) -> Stat {
    return v;
}
