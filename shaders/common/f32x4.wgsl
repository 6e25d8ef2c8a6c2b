// Four channels a thread, where the channel count is a multiple of four (otherwise f32x1.wgsl).
alias Channels = vec4<f32>;
