// Slabs whose rows and offsets are whole vec4s.
alias Words = vec4<u32>;
