// What the chains of multiply_add.wgsl compute in.
alias Real = f32;
