// Channels one by one, for groups of any size (conv/grouped_*).
alias Channels = f32;
// Weights that a block of input channels has for a block of output channels: rows of a block each.
const ROWS: u32 = 1u;

// What row `r` of the weights is multiplied by.
fn row_factor(v: f32, r: u32) -> f32 {
    return v;
}

// The share of a block of y's gradient in each input channel.
fn against(g: f32, rows: array<Channels, ROWS>) -> f32 {
    return g * rows[0];
}
