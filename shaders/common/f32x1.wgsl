// One channel a thread: the element type of kernels that also come in four channels a thread (f32x4.wgsl).
alias Channels = f32;
