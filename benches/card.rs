//! The card of this machine's adapter as text: what it can do, and how near to that every kernel comes.
//! `cargo bench --features cli --bench card [-- PART_OF_NAME]`; `knuckle bench` has more options and writes it too.

use knuckle::bench::{BenchOptions, cases, run};
use knuckle::{Gpu, Result};

fn main() -> Result<()> {
    let filter = std::env::args().skip(1).find(|a| !a.starts_with("--"));
    let options = BenchOptions { filter, ..Default::default() };
    let cases = options.select(cases(Gpu::new()?.target().f16, false)?)?;
    let card = run(&options, &cases, &mut Gpu::new, &mut |_| ())?;
    println!("{}\n{}", card.head(), card.table());
    Ok(())
}
