// A thread takes SPAN units of a row (from the prelude), RUN apart: eight lanes of a software adapter then read and write a row in one
// piece, and row after row, where pieces of a line or two, each in another row, would wait for memory one by one.
const RUN: u32 = 8u;

// The first unit of a row's thread number `t`; the others follow at multiples of RUN.
fn span_start(t: u32) -> u32 {
    return t / RUN * (RUN * SPAN) + t % RUN;
}
