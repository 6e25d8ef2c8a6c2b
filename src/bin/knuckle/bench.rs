//! `knuckle bench`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use knuckle::bench::{self, BenchOptions, Card, Change, Comparison, Progress};
use knuckle::gpu::GpuOptions;
use knuckle::{Error, Gpu, Result};

/// What to measure and where it goes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Part of an adapter's name, or its number in `knuckle info`
    #[arg(long, value_name = "A")]
    adapter: Option<String>,
    /// Only cases with this in their kernel or name
    #[arg(long, value_name = "F")]
    filter: Option<String>,
    /// File for everything measured (JSON)
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// File for a page with plot and table (HTML)
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// What an earlier run wrote with --json: tells what got slower or faster beyond noise
    #[arg(long, value_name = "OLD.json")]
    baseline: Option<PathBuf>,
    /// Exit status 1 also if something got slower than the baseline
    #[arg(long, requires = "baseline")]
    fail_on_regression: bool,
    /// About how long each row is sampled
    #[arg(long, value_name = "S", default_value_t = 0.5)]
    seconds: f64,
    /// A fifth of that, and without what takes seconds a run on a software adapter
    #[arg(long)]
    quick: bool,
    /// List the cases and measure nothing
    #[arg(long)]
    list: bool,
}

/// Measures, prints the table, writes what was asked for. The exit status is 1 if a row failed.
pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let seconds = arguments.seconds * if arguments.quick { 0.2 } else { 1.0 };
    let options = BenchOptions { filter: arguments.filter.clone(), seconds };
    let select = |half| options.select(bench::cases(half, arguments.quick)?);
    if arguments.list {
        for case in select(true)? {
            println!("{:<18} {:<30} {}", case.kernel, case.name, case.dtype);
        }
        return Ok(ExitCode::SUCCESS);
    }
    // Everything that could spoil it at the end is told before the work begins.
    select(true)?;
    for path in [&arguments.json, &arguments.html].into_iter().flatten() {
        knuckle::files::check_writable(path)?;
    }
    let baseline = arguments.baseline.as_deref().map(Card::load).transpose()?;
    let mut open = || Gpu::open(&GpuOptions { adapter: arguments.adapter.clone(), ..Default::default() });
    let cases = select(open()?.target().f16)?;
    let bar = progress_bar(cases.len() as u64)?;
    let card = bench::run(&options, &cases, &mut open, &mut |progress| match progress {
        Progress::Ceilings => bar.set_message("the adapter's ceilings"),
        Progress::Case { title, done, .. } => {
            bar.set_position(*done as u64);
            bar.set_message(title.clone());
        }
    });
    bar.finish_and_clear();
    let card = card?;
    println!("{}\n{}", card.head(), card.table());

    let comparison = baseline.map(|mut old| {
        old.rows.retain(|row| options.matches(&row.kernel, &row.case));
        Comparison::new(&old, &card)
    });
    if let Some(comparison) = &comparison {
        println!("{}", comparison.table());
    }
    if let Some(path) = &arguments.json {
        card.save(path)?;
        println!("json: {}", path.display());
    }
    if let Some(path) = &arguments.html {
        let page = card.html(comparison.as_ref());
        knuckle::files::write_atomically(path, |out| out.write_all(page.as_bytes()))?;
        println!("page: {}", path.display());
    }
    let failed = card.rows.iter().filter(|row| row.error.is_some()).count();
    if failed > 0 {
        eprintln!("error: {failed} of {} rows failed", card.rows.len());
    }
    let slower = comparison.map_or(0, |c| c.count(Change::Slower));
    Ok(ExitCode::from(u8::from(failed > 0 || (arguments.fail_on_regression && slower > 0))))
}

fn progress_bar(total: u64) -> Result<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return Ok(ProgressBar::hidden());
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {eta} left, {msg}")
        .map_err(|e| Error::invalid("progress bar", "a template", e))?;
    Ok(ProgressBar::new(total).with_style(style))
}
