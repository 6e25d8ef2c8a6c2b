//! The command line: adapters, synthetic photos, training, judging, and hands from photos.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use knuckle::Result;

mod bench;
mod data;
mod demo;
mod eval;
mod fit;
mod infer;
mod info;
mod model;
mod profile;
mod train;
mod train_log;
mod tune;
mod view;

/// Hands in 3D from single photos, on any GPU.
#[derive(Parser)]
#[command(version, about, max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Adapters of this machine, what knuckle can use of them, and what a network takes there
    Info(info::Arguments),
    /// Render some hands, find them again with the shipped weights, draw the result
    Demo(demo::Arguments),
    /// Find the hand in photos
    Infer(infer::Arguments),
    /// Refine the hand of a photo: fit the rigged hand to joints, mask and depth by gradient steps through the renderer
    Fit(fit::Arguments),
    /// Train the network on rendered hands
    Train(train::Arguments),
    /// Measure the network on held-out rendered hands or on a folder of labelled photos
    Eval(eval::Arguments),
    /// Measure which variants of kernels are fastest on this GPU, and keep that for all later runs
    Tune(tune::Arguments),
    /// Draw a contact sheet of rendered hands
    Data(data::Arguments),
    /// Show a mesh from one side (PNG) or from all around (GIF)
    View(view::Arguments),
    /// Measure what the adapter can do and how near to that every kernel comes
    Bench(bench::Arguments),
    /// Time every operator of a network: the slowest as a table, all of them as a trace for Chrome or Perfetto
    Profile(profile::Arguments),
}

/// Ends quietly when whoever reads the output has seen enough, as `head` has: printing then panics.
fn end_quietly_without_a_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let message = info.payload().downcast_ref::<String>();
        if message.is_some_and(|m| m.starts_with("failed printing to stdout") && m.contains("Broken pipe")) {
            std::process::exit(0);
        }
        usual(info);
    }));
}

fn main() -> ExitCode {
    end_quietly_without_a_reader();
    knuckle::gpu::prepare_environment();
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("off")).init();
    let done = |result: Result<()>| result.map(|()| ExitCode::SUCCESS);
    let result = match Arguments::parse().command {
        Command::Info(arguments) => done(info::run(&arguments)),
        Command::Demo(arguments) => done(demo::run(&arguments)),
        Command::Infer(arguments) => infer::run(&arguments),
        Command::Fit(arguments) => done(fit::run(&arguments)),
        Command::Train(arguments) => train::run(&arguments),
        Command::Eval(arguments) => done(eval::run(&arguments)),
        Command::Tune(arguments) => done(tune::run(&arguments)),
        Command::Data(arguments) => done(data::run(&arguments)),
        Command::View(arguments) => done(view::run(&arguments)),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Profile(arguments) => done(profile::run(&arguments)),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
