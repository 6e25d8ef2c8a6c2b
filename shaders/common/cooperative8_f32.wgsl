// Cooperative matrices of 8 × 8 f32, summed in f32.
enable wgpu_cooperative_matrix;
const SIZE: u32 = 8u;
alias Element = f32;
alias Left = coop_mat8x8<f32, A>;
alias Right = coop_mat8x8<f32, B>;
alias Sum = coop_mat8x8<f32, C>;
