//! Unit tests of a shader that has nothing to do with hands: Conway's Game of Life.
//!
//! `cargo test --features testing --example testing_life` runs the tests,
//! `cargo run --release --features testing --example testing_life` plays and times it.

use knuckle::testing::{Call, TestShader, gpu};
use knuckle::{Error, Result};

const LIFE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/shaders/life.wgsl");

/// A generation of a field, ready to run.
fn generation(field: &[u32], width: usize) -> Result<Call<'static>> {
    let height = field.len() / width;
    let call = TestShader::from_file(LIFE).on(gpu()?)?;
    let call = call.input("before", field).output("after", field.len());
    Ok(call.param("width", width as u32).param("height", height as u32).threads([width, height, 1]))
}

fn step(field: &[u32], width: usize) -> Result<Vec<u32>> {
    generation(field, width)?.run()?.get("after")
}

/// A field from a picture: `#` is alive.
fn field(rows: &[&str]) -> Vec<u32> {
    rows.iter().flat_map(|row| row.chars().map(|c| u32::from(c == '#'))).collect()
}

fn glider() -> Vec<u32> {
    field(&[".#......", "..#.....", "###.....", "........", "........", "........", "........", "........"])
}

fn main() -> Result<(), Error> {
    knuckle::gpu::prepare_environment();
    let mut cells = glider();
    for time in 0..4 {
        println!("generation {time}");
        for row in cells.chunks(8) {
            println!("  {}", row.iter().map(|&cell| if cell == 1 { '#' } else { '.' }).collect::<String>());
        }
        cells = step(&cells, 8)?;
    }
    let large = knuckle::testing::below(1, 1024 * 1024, 2);
    let timing = generation(&large, 1024)?.bench(11)?;
    println!("1024×1024 cells: {:.3} ms (median), {:.3} (95 %)", timing.median_ms(), timing.percentile_ms(95.0));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use knuckle::testing::{below, expect_error};

    #[test]
    fn a_blinker_blinks() -> Result<()> {
        let (lying, standing) = (
            field(&[".....", ".....", ".###.", ".....", "....."]),
            field(&[".....", "..#..", "..#..", "..#..", "....."]),
        );
        assert_eq!(step(&lying, 5)?, standing);
        assert_eq!(step(&standing, 5)?, lying);
        Ok(())
    }

    #[test]
    fn a_glider_comes_back_one_cell_on() -> Result<()> {
        let (start, mut cells) = (glider(), glider());
        for _ in 0..4 {
            cells = step(&cells, 8)?;
        }
        // Down and to the right by one.
        let moved: Vec<u32> = (0..64).map(|i| start[(i / 8 + 7) % 8 * 8 + (i % 8 + 7) % 8]).collect();
        assert_eq!(cells, moved);
        Ok(())
    }

    #[test]
    fn random_fields_agree_with_a_plain_loop() -> Result<()> {
        // Sizes off the workgroup's, and fields so small that a cell is its own neighbour.
        for (width, height) in [(1, 1), (2, 3), (13, 7), (33, 20)] {
            let cells = below(7, width * height, 2);
            let alive = |x: usize, y: usize| cells[y % height * width + x % width];
            let got = generation(&cells, width)?.run()?;
            got.all("after", |i, cell: u32| {
                let (x, y) = (i % width, i / width);
                let around = (0..9).filter(|k| *k != 4).map(|k| alive(x + width + k % 3 - 1, y + height + k / 3 - 1));
                let neighbours: u32 = around.sum();
                cell == u32::from(neighbours == 3 || (neighbours == 2 && alive(x, y) == 1))
            })?;
        }
        Ok(())
    }

    #[test]
    fn mistakes_in_a_call_are_told() -> Result<()> {
        let cells = vec![0u32; 16];
        expect_error(generation(&cells, 4)?.param("depth", 1u32).run(), "expected `width`, `height`, got `depth`")?;
        expect_error(generation(&cells, 4)?.input("befor", &cells).run(), "`befor`")?;
        expect_error(generation(&cells, 4)?.input("before", &[0.0f32; 16]).run(), "array<u32>")?;
        // Half of the field is never written.
        expect_error(generation(&cells, 4)?.threads([4, 2, 1]).workgroups([0, 0, 0]).run(), "element 0 of `after`")
    }
}
