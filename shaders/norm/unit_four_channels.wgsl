// How the kernels of groups see a tensor: a unit of memory is four channels of one group, whose width is a multiple of
// four.
alias Channels = vec4<f32>;
alias Stat = f32;
const PER_UNIT: f32 = 4.0;
fn fold(v: Channels) -> Stat {
    return (v.x + v.y) + (v.z + v.w);
}
fn one_of(v: Channels) -> Stat {
    return v.x;
}
