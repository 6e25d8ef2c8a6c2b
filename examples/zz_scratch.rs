//! scratch
use knuckle::models::GraphCnnConfig;
use knuckle::train::{Control, TrainOptions, Trainer};
use knuckle::{Gpu, Result};
use std::collections::BTreeMap;
fn main() -> Result<()> {
    let gpu = Gpu::new()?;
    let options = TrainOptions {
        batch: 16,
        pretrain_steps: 0,
        full_steps: 6,
        validation_samples: 0,
        checkpoint_every: 0,
        ..TrainOptions::new(GraphCnnConfig::small())
    };
    let dir = std::env::temp_dir().join("zz_scratch");
    let mut t = Trainer::new(&gpu, options, &dir)?;
    let mut last = std::time::Instant::now();
    let mut walls = vec![];
    t.run(|_| {
        walls.push(last.elapsed().as_secs_f64() * 1e3);
        last = std::time::Instant::now();
        Control::Continue
    })?;
    println!("walls {walls:.0?}");
    let mut best: Vec<f64> = vec![];
    for _ in 0..5 {
        let p = t.profile()?;
        if best.is_empty() {
            best = p.iter().map(|s| s.ms).collect();
        } else {
            for (b, s) in best.iter_mut().zip(&p) {
                *b = b.min(s.ms);
            }
        }
    }
    let program = t.program();
    let mut by: BTreeMap<(bool, &str, &str), (usize, f64)> = BTreeMap::new();
    for (s, ms) in program.steps.iter().zip(&best) {
        let n = program.node(s.node).unwrap();
        let e = by.entry((n.gradient, n.op, program.kernels[s.kernel].shader)).or_default();
        e.0 += 1;
        e.1 += ms;
    }
    let mut rows: Vec<_> = by.into_iter().collect();
    rows.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
    println!(
        "total {:.1} ms in {} dispatches, {:.3} GFLOP",
        best.iter().sum::<f64>(),
        best.len(),
        program.cost().flops as f64 * 1e-9
    );
    for ((g, op, k), (n, ms)) in rows.iter().take(45) {
        println!("{:8.2} ms {:5} {:7.3} each {} {op:<18} {k}", ms, n, ms / *n as f64, if *g { "bwd" } else { "fwd" });
    }
    if std::env::args().nth(1).is_some() {
        for (i, (s, ms)) in program.steps.iter().zip(&best).enumerate() {
            println!("{i:4} {ms:7.3} {} {:?}", program.kernels[s.kernel].shader, s.groups);
        }
    }
    Ok(())
}
