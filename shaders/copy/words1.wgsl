// Slabs whose rows or offsets are not whole vec4s.
alias Words = u32;
